#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# A listener does not hold its namespace: once nobody else does, it goes, and
# the namespace with it. While somebody does it stays, whatever he does there.
# Namespaces that come, are served and go leave nothing behind; those in which
# nobody who may connects never get one. MSP_NAMESPACES says how many (100),
# MSP_AT_ONCE of them at work at a time (20).
. "$(dirname "$0")/../../harness/sandbox.sh"
. "$(dirname "$0")/common.sh"

COUNT=${MSP_NAMESPACES:-100}
AT_ONCE=${MSP_AT_ONCE:-20}
IDLE=$((COUNT * 5))

get() {
    ask curl $USER:3001 "$1" "$IMDS:80" /metadata/versions "$1"
}

# Descriptors of mspd and of the proxy, rows, listeners, tickets.
inventory() {
    printf '%s' "fds $(find "/proc/$SB_MSPD/fd" -type l | wc -l)" \
        "+$(find "/proc/$proxy/fd" -type l | wc -l)" \
        " listeners $(listeners) rows $(rows) tickets $(tickets)"
}

# What is theirs alone: who else maps the libraries changes all the time.
pss_kib() {
    cat "/proc/$SB_MSPD/smaps_rollup" "/proc/$proxy/smaps_rollup" |
        awk '$1 == "Pss_Anon:" { sum += $2 } END { print sum }'
}

is_as_before() {
    [[ $(inventory) == "$before" ]]
}

has_no_upstream() {
    [[ -z $(in_ns vm ss -Htn state established "dport = :80") ]]
}

# The other end of a device goes with the namespace it is in.
has_peer() {
    in_ns vm ip link show "$1" >/dev/null 2>&1
}

has_no_peer() {
    ! has_peer "$1"
}

# NAME: a namespace with a device whose other end, NAME, is in vm
make_pair() {
    make_netns "$1"
    in_ns vm ip link add "$1" type veth peer name eth0
    in_ns vm ip link set eth0 netns "$SB_DIR/ns/$1"
}

sandbox_up
sandbox_start_sim
sandbox_start_mspd
each=$SB_CG/work/each
mkdir "$each"
allow_user
proxy=$(child_pid mspd-proxy)

# A namespace that is only named holds; so does one with a process in it.
make_pair named
make_pair lived
check_eq "served in the one" "$(get named)" 200
check_eq "and in the other" "$(get lived)" 200
(exec_as 0:0 lived sleep 1000) &
holder=$!
SB_PIDS+=("$holder")
until_true 5 test /proc/$holder/ns/net -ef "$SB_DIR/ns/lived"
umount "$SB_DIR/ns/lived"
check_eq "both have a listener" "$(listeners)" 3
sleep 11 # two sweeps
check_eq "who holds his namespace keeps it" "$(listeners)" 3
check "and the namespaces are there" has_peer named
check "both of them" has_peer lived
umount "$SB_DIR/ns/named"
check "deleted: really gone" until_true 15 has_no_peer named
check_eq "and its listener" "$(listeners)" 2
kill -KILL "$holder"
wait "$holder" 2>/dev/null
check "its last process ended: really gone" until_true 15 has_no_peer lived
check_eq "and its listener" "$(listeners)" 1

# What is not served is not made a listener for.
check_eq "$IDLE namespaces in which nobody connects" \
    "$(crowd -x -p "$AT_ONCE" "$IMDS:80" "$IDLE")" "$IDLE x made"
check_eq "in which somebody is denied" \
    "$(crowd -u 2002 -p "$AT_ONCE" "$IMDS:80" "$COUNT")" "$COUNT x EPERM"
check_eq "no listener was made" \
    "$(grep -c '^<6>listeners.released' "$SB_DIR/mspd.log") $(listeners)" "2 1"

# A first round fills caches and pools; the second one must add nothing.
crowd -p "$AT_ONCE" -c "$each" "$IMDS:80" "$COUNT" >/dev/null
check "a first round: its listeners go" until_true 30 has_listeners 1
check "and what the proxy keeps open toward the host" \
    until_true 90 has_no_upstream
before=$(inventory)
pss=$(pss_kib)
check_eq "$COUNT come, are served, and go" \
    "$(crowd -p "$AT_ONCE" -c "$each" "$IMDS:80" "$COUNT")" "$COUNT x 200"
note "slowest $(jq .slowest_ms "$SB_DIR/tmp/crowd") ms"
check "their listeners go" until_true 30 has_listeners 1
check "and what the proxy keeps open toward the host" \
    until_true 90 has_no_upstream
check "all is where it was" is_as_before
note "$(inventory)"
now=$(pss_kib)
check "memory too: $pss KiB, then $now KiB" test "$now" -le $((pss + 256))
note "$before"

# mspd is gone when a namespace is: the next one lets it go.
make_pair orphan
check_eq "served" "$(get orphan)" 200
sandbox_stop_mspd KILL
umount "$SB_DIR/ns/orphan"
sandbox_start_mspd
check "a new mspd: gone" until_true 45 has_no_peer orphan
check_eq "and its row" "$(rows)" 1xREADY
sandbox_done
