#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# Which devices are uplinks: routes into an endpoint's network count as routes
# to it do, and so do those that name their way as a next hop object, whose
# device the kernel need not tell with the route. A device that is named and is
# not there, or not under that name any more, is told.
. "$(dirname "$0")/../../harness/sandbox.sh"

has_uplinks() {
    [[ $(ctl --json status | jq -c '[.uplinks[] |
        select(.guard != "missing") | .name] | sort') == "$1" ]]
}

# cable DEVICE N: leads nowhere, by 10.98.N.2
cable() {
    in_ns vm ip link add "$1" type veth peer name "$1-far"
    in_ns vm ip link set "$1-far" up
    in_ns vm ip addr add "10.98.$2.1/30" dev "$1"
    in_ns vm ip link set "$1" up
}

document() {
    policy "$(item enforce deny)" | jq -c --argjson item "$(item enforce deny)" \
        '.endpoints.db = $item + {addresses: ["10.99.0.0/16"], ports: [8080],
                                  sign: true}'
}

sandbox_up
cable into 1
cable around 2
cable hop 3
cable other 4
in_ns vm sh -c 'echo 0 >/proc/sys/net/ipv4/nexthop_compat_mode' ||
    skip "next hop objects"
sandbox_start_mspd
push_policy "$(document)"
check "the route to the host" until_true 5 has_uplinks '["veth-vm"]'

in_ns vm ip route add 10.99.5.0/24 via 10.98.1.2
check "a route to a part of an endpoint's network" until_true 5 has_uplinks \
    '["into","veth-vm"]'
in_ns vm ip route add 10.96.0.0/14 via 10.98.2.2
check "one to more than that" until_true 5 has_uplinks \
    '["around","into","veth-vm"]'
in_ns vm ip route add 10.100.0.0/16 via 10.98.4.2
in_ns vm ip route del 10.99.5.0/24
check "one beside it is none" until_true 5 has_uplinks '["around","veth-vm"]'
in_ns vm ip route del 10.96.0.0/14

in_ns vm ip nexthop add id 5 via 10.98.3.2 dev hop
in_ns vm ip route add 169.254.0.0/16 nhid 5 table 77
check "a next hop object in a table of its own" until_true 5 has_uplinks \
    '["hop","veth-vm"]'
in_ns vm ip nexthop replace id 5 via 10.98.4.2 dev other
check "which changes its device" until_true 2 has_uplinks '["other","veth-vm"]'
in_ns vm ip nexthop add id 6 via 10.98.3.2 dev hop
in_ns vm ip nexthop add id 7 group 5/6
in_ns vm ip route replace 169.254.0.0/16 nhid 7 table 77
check "a group of them" until_true 5 has_uplinks '["hop","other","veth-vm"]'
in_ns vm ip route del 169.254.0.0/16 table 77
check "without the route they are none" until_true 5 has_uplinks '["veth-vm"]'
sandbox_stop_mspd

is_degraded() {
    [[ $(ctl --json status | jq -r '.state, (.reasons[]? |
        select(.text | contains("not there")) | .text)' | wc -l) == "$1" ]]
}
sandbox_start_mspd --uplink into --uplink veth-vm
check "devices that are named" until_true 5 has_uplinks '["into","veth-vm"]'
check_eq "all there" "$(ctl --json status | jq -r .state)" ok
in_ns vm ip link set into down
in_ns vm ip link set into name away
check "one is called otherwise" until_true 5 has_uplinks '["veth-vm"]'
check "status says so" until_true 5 is_degraded 2
check_eq "and which one" "$(ctl --json status |
    jq -r '.uplinks[] | select(.guard == "missing") | .name')" into
check "so does the log" grep -q '<4>uplink.named.*device="\?into"\?.*not there' \
    "$SB_DIR/mspd.log"
in_ns vm ip link set away name into
check "called so again" until_true 5 has_uplinks '["into","veth-vm"]'
check "and that as well" until_true 5 is_degraded 1
check_eq "the log says each once" "$(grep -c uplink.named "$SB_DIR/mspd.log")" 2
sandbox_done
