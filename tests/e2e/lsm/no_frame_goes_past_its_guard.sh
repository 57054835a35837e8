#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# Frames of packet sockets are judged where they leave. What would bring them
# past that guard, PACKET_QDISC_BYPASS and AF_XDP, is for real root only in the
# namespace of the uplinks, and for everybody elsewhere.
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"

past=("packet bypass none 0" "cooked bypass none 0" "xdp make none 0")

sandbox_up
make_netns other
sandbox_start_sim
sandbox_start_mspd --lsm off
volley "without LSM programs, a user with CAP_NET_RAW" ok \
    vm "${NET_RAW[@]}" @ "${past[@]}"
volley "without LSM programs, root in a container" ok \
    vm "${BOXED[@]}" @ "${past[@]}"
sandbox_stop_mspd
sandbox_start_mspd --lsm require
volley "a user with CAP_NET_RAW" EPERM vm "${NET_RAW[@]}" @ "${past[@]}"
volley "root in a container" EPERM vm "${BOXED[@]}" @ "${past[@]}"
volley "real root" ok vm @ "${past[@]}"
volley "another namespace" ok other "${BOXED[@]}" @ "${past[@]}"
volley "a packet socket alone" ok vm "${BOXED[@]}" @ "packet make none 0"
check "the audit says why" grep -qx past-the-guard <(reasons)
sandbox_stop_mspd KILL
volley "mspd killed" EPERM vm "${BOXED[@]}" @ "${past[@]}"
sandbox_done
