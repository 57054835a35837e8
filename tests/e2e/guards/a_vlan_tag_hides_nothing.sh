#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# The only way to the host is a VLAN: redirection, and the guard against
# undecided packets, are as on the bare interface.
. "$(dirname "$0")/../../harness/sandbox.sh"

USER=2001:3001
PACKETS=$MSP_SOURCE/tests/harness/client/packets.py

watched() {
    grep -qx "$1" "$SB_DIR/tmp/wire"
}

# Whether a raw SYN arrives; a datagram behind it says when to stop waiting.
marker=2000
syn_arrives() {
    local mark
    mark=$(wc -l <"$SB_DIR/tmp/wire")
    marker=$((marker + 1))
    run_as 0:0 vm python3 "$PACKETS" send "$IMDS" 80 syn >/dev/null
    run_as 0:0 vm python3 "$PACKETS" send 10.98.0.1 $marker udp >/dev/null
    until_true 5 watched "10.98.0.1 $marker udp 4" || die "no marker"
    if tail -n "+$((mark + 1))" "$SB_DIR/tmp/wire" |
        grep -qx "$IMDS 80 syn 0"; then echo yes; else echo no; fi
}

sandbox_up
in_ns sim ip link add link veth-sim name tagged type vlan id 5 2>/dev/null ||
    skip "VLAN devices"
in_ns vm ip link add link veth-vm name tagged type vlan id 5
in_ns sim ip addr add 10.98.0.1/30 dev tagged
in_ns vm ip addr add 10.98.0.2/30 dev tagged
in_ns sim ip link set tagged up
in_ns vm ip link set tagged up
in_ns vm ip route replace "$IMDS/32" via 10.98.0.1
(exec nsenter --net="$SB_DIR/ns/sim" -- python3 "$PACKETS" watch tagged \
    "$SB_DIR/tmp/wire") &
SB_PIDS+=($!)
until_true 10 watched watching || die "no watcher"
sandbox_start_sim
sim_mode imds=off
sandbox_start_mspd
push_policy "$(policy "$(item disabled allow)")"
check_eq "off: the request arrives" \
    "$(http_code "$USER" vm "http://$IMDS/metadata/versions")" 200
check_eq "off: a raw SYN arrives" "$(syn_arrives)" yes
push_policy "$(policy "$(item enforce allow)")"
journal_mark
check_eq "enforced: the request is signed" \
    "$(http_code "$USER" vm "http://$IMDS/metadata/versions") $(journal_count '.signed == "valid"')" \
    "200 1"
check_eq "enforced: a raw SYN does not arrive" "$(syn_arrives)" no
sandbox_done
