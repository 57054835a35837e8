#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# What the cgroup hooks do not see of an endpoint in enforce is refused when it
# is asked for: raw sockets, SCTP, UDPLITE, connected or not, older than the
# policy or not. Each goes through without LSM programs first. What the other
# hooks judge, ICMP, other addresses and modes are let alone.
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"

USER=2001:3001
URL=http://$IMDS/metadata/versions

unseen=(
    "raw connect $IMDS 0"
    "raw sendto $IMDS 0"
    "raw unspec $IMDS 0"
    "raw sendto $WIRE 7"
    "lite connect $IMDS 80"
    "lite connect $WIRE 32526"
    "lite6 connect ::ffff:$IMDS 80"
    "sctp connect $IMDS 80"
    "sctp connect $WIRE 80"
    "sctp6 connect ::ffff:$IMDS 80"
)
free=(
    "raw sendto 10.97.0.1 0"
    "raw disconnect $IMDS 0"
    "lite connect $IMDS 53"
    "sctp connect $IMDS 53"
    "sctp connect 10.97.0.1 80"
    "udp sendto $IMDS 53"
    "udp disconnect $IMDS 80"
    "icmp sendto $IMDS 0"
    "ping sendto $IMDS 0"
)
judged=("tcp fastopen $IMDS 80" "mptcp connect $IMDS 80")

push_all() {
    push_policy "$(policy "$(item "$@")" "$(item "$@")" "$(item "$@")")"
}

# One socket that was there before: again, in its own words.
again() {
    local said
    echo "raw again $IMDS 0" >&"${OLD[1]}"
    read -r -t 20 -u "${OLD[0]}" said
    printf '%s' "$said"
}

sandbox_up
echo "0 65535" | in_ns vm tee /proc/sys/net/ipv4/ping_group_range \
    >"$SB_DIR/out"
sandbox_start_sim
sandbox_start_mspd --lsm off
push_all enforce allow
volley "without LSM programs" ok vm "${NET_RAW[@]}" @ "${unseen[@]}" "${free[@]}"
sandbox_stop_mspd

sandbox_start_mspd --lsm require
push_all audit deny
volley "audited" ok vm "${NET_RAW[@]}" @ "${unseen[@]}" "${free[@]}"
coproc OLD { shooter vm "${NET_RAW[@]}"; }
echo "raw keep $IMDS 0" >&"${OLD[1]}"
read -r -t 20 -u "${OLD[0]}" said
check_eq "a raw socket connects in time" "$said" ok
check_eq "and sends" "$(again)" ok
push_all enforce allow
check_eq "it sends no more" "$(again)" EPERM
volley enforced EPERM vm "${NET_RAW[@]}" @ "${unseen[@]}"
volley "enforced, free" ok vm "${NET_RAW[@]}" @ "${free[@]}"
check "the audit says why" grep -qx socket-kind <(reasons)
check_eq "an allowed caller is served" "$(http_code "$USER" vm "$URL")" 200
volley "and by other words" ok vm "${NET_RAW[@]}" @ "${judged[@]}"
push_all enforce deny
check_eq "a denied one is denied as ever" "$(http_code "$USER" vm "$URL")" EPERM
volley "denied" EPERM vm "${NET_RAW[@]}" @ "${judged[@]}"
sandbox_stop_mspd KILL
volley "mspd killed" EPERM vm "${NET_RAW[@]}" @ "${unseen[@]}"
sandbox_done
