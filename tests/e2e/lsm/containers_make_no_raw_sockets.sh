#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# --deny-raw-in-containers: no raw or packet socket for a container's root, by
# whatever family; the host's tools keep theirs, and the kernel its own, which it
# makes for MPTCP. Without the option each is made.
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"

raw=()
for kind in raw raw6 rawtcp icmp packet cooked; do
    raw+=("$kind make none 0")
done

sandbox_up
sandbox_start_sim
sandbox_start_mspd --lsm require
push_policy "$(policy "$(item enforce allow)")"
volley "without the option, a container" ok vm "${BOXED[@]}" @ "${raw[@]}"
sandbox_stop_mspd
sandbox_start_mspd --lsm require --deny-raw-in-containers
volley "a container" EPERM vm "${BOXED[@]}" @ "${raw[@]}"
volley "a host user with CAP_NET_RAW" ok vm "${NET_RAW[@]}" @ "${raw[@]}"
volley "real root" ok vm @ "${raw[@]}"
volley "what else a container makes" ok vm "${BOXED[@]}" @ \
    "tcp connect $IMDS 80" "mptcp connect $IMDS 80" "udp sendto $IMDS 53"
check "the audit says why" grep -qx raw-in-container <(reasons)
sandbox_stop_mspd KILL
volley "mspd killed, a container" EPERM vm "${BOXED[@]}" @ "${raw[@]}"
sandbox_start_mspd --lsm require
volley "without the option again, a container" ok vm "${BOXED[@]}" @ "${raw[@]}"
sandbox_done
