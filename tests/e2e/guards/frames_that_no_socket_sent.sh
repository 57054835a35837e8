#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# The guard of the uplinks: frames of packet sockets and forwarded ones, which
# no hook of a cgroup sees, do not leave toward an enforced endpoint. Each is
# first seen on the wire with enforcement off. The guard is put back when
# somebody takes it off, follows the routes, and outlives mspd. Whose program
# runs before it is told.
. "$(dirname "$0")/../../harness/sandbox.sh"

USER=2001:3001
PACKETS=$MSP_SOURCE/tests/harness/client/packets.py
URL=http://$IMDS/metadata/versions

uplinks() {
    ctl --json status | jq -c "[.uplinks[] | $1]"
}

uplink_denied() {
    ctl --json status | jq '.stats[] | select(.name == "uplink-denied") | .value'
}

is_watching() {
    grep -qx watching "$SB_DIR/tmp/wire"
}

mac_of() {
    in_ns "$1" ip -j link show dev "$2" | jq -r '.[0].address'
}

# A container behind the VM, and a guest that no cgroup of ours holds.
container_network() {
    make_netns c1
    in_ns vm ip link add veth-c1 type veth peer name eth0
    in_ns vm ip link set eth0 netns "$SB_DIR/ns/c1"
    in_ns vm ip addr add 10.97.1.1/30 dev veth-c1
    in_ns vm ip link set veth-c1 up
    in_ns c1 ip addr add 10.97.1.2/30 dev eth0
    in_ns c1 ip link set eth0 up
    in_ns c1 ip route add "$IMDS/32" via 10.97.1.1
    in_ns c1 ip route add 10.97.0.0/30 via 10.97.1.1
    in_ns sim ip route add 10.97.1.0/30 via 10.97.0.2
    in_ns vm sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
}

# The guest's processes are where no program is attached.
guest() {
    (
        echo "$BASHPID" >"$SB_HOST_CG/cgroup.procs"
        exec nsenter --net="$SB_DIR/ns/c1" -- "$@"
    )
}

marker=2000
marker_seen() {
    tail -n "+$((WIRE_MARK + 1))" "$SB_DIR/tmp/wire" |
        grep -qx "10.97.0.1 $marker udp 4"
}

wire_mark() {
    WIRE_MARK=$(wc -l <"$SB_DIR/tmp/wire")
}

# What was on the wire since; a packet sent last tells that all came or never will.
wire() {
    marker=$((marker + 1))
    run_as 0:0 vm python3 "$PACKETS" send 10.97.0.1 $marker udp >/dev/null
    until_true 5 marker_seen || die "the marker did not arrive"
    tail -n "+$((WIRE_MARK + 1))" "$SB_DIR/tmp/wire"
}

# shot WHERE SEEN WORDS...: whether such a frame came through
shot() {
    local where=$1 seen=$2
    shift 2
    wire_mark
    case $where in
    vm) run_as 0:0 vm python3 "$PACKETS" frame veth-vm "$SIM_MAC" "$@" ;;
    c1) run_as 0:0 c1 python3 "$PACKETS" frame eth0 "$VM_MAC" "$@" \
        source=10.97.1.2 ;;
    guest) guest python3 "$PACKETS" frame eth0 "$VM_MAC" "$@" \
        source=10.97.1.2 ;;
    esac >/dev/null
    if wire | grep -qxF "$seen"; then echo yes; else echo no; fi
}

frames=(
    "vm|a frame of a packet socket|$IMDS 80 syn 0|$IMDS 80 syn"
    "vm|data of a packet socket|$IMDS 80 ack+psh 18|$IMDS 80 data"
    "vm|a fragment of a packet socket|$IMDS 0 frag 20|$IMDS 80 syn frag"
    "c1|a frame of a container's packet socket|$IMDS 80 syn 0|$IMDS 80 syn"
    "c1|one that says it is ARP|$IMDS 80 syn 0|$IMDS 80 syn called=0806"
    "guest|a frame of a guest|$IMDS 80 syn 0|$IMDS 80 syn"
)
free=(
    "vm|an ACK|$IMDS 80 ack 0|$IMDS 80 ack"
    "vm|another port|$IMDS 81 syn 0|$IMDS 81 syn"
    "c1|another address|10.97.0.1 80 syn 0|10.97.0.1 80 syn"
    "c1|DNS|10.97.0.1 53 udp 4|10.97.0.1 53 udp"
)

# volley WANTED WHEN FRAMES...
volley() {
    local wanted=$1 when=$2 one where claim seen words
    shift 2
    for one in "$@"; do
        IFS='|' read -r where claim seen words <<<"$one"
        seen=${seen/ack+psh/ack}
        # shellcheck disable=SC2086
        check_eq "$when: $claim, let through: $wanted" \
            "$(shot "$where" "$seen" $words)" "$wanted"
    done
}

guest_asks() {
    guest curl -s -o /dev/null -w '%{http_code}' --max-time 2 \
        -H Metadata:true "$URL"
}

sandbox_up
container_network
sandbox_start_sim
sim_mode imds=off
SIM_MAC=$(mac_of sim veth-sim)
VM_MAC=$(mac_of vm veth-c1)
(exec nsenter --net="$SB_DIR/ns/sim" -- python3 "$PACKETS" watch veth-sim \
    "$SB_DIR/tmp/wire") &
SB_PIDS+=($!)
until_true 10 is_watching || die "no watcher"

sandbox_start_mspd
push_policy "$(policy "$(item disabled allow)")"
check_eq "the device toward the endpoints is found" "$(uplinks .name)" \
    '["veth-vm"]'
check_eq "the container's is none" "$(uplinks '.guard != "none"')" '[true]'
volley yes off "${frames[@]}" "${free[@]}"
check_eq "off: a guest is served" "$(guest_asks)" 200

push_policy "$(policy "$(item enforce allow)")"
before=$(uplink_denied)
volley no enforced "${frames[@]}"
check_eq "each of them is counted" "$(($(uplink_denied) - before))" \
    "${#frames[@]}"
before=$(uplink_denied)
volley yes enforced "${free[@]}"
check_eq "none of these is" "$(($(uplink_denied) - before))" 0
journal_mark
check_eq "a guest is not served" "$(guest_asks)" 000
check_eq "nothing of it reached the host" "$(journal_count)" 0
check_eq "an allowed caller is, by the agent" \
    "$(http_code "$USER" vm "$URL") $(journal_count '.signed == "valid"')" \
    "200 1"

# --- a program of somebody else before ours, which lets everything go ----------
is_behind() {
    [[ $(uplinks .behind) == "[$1]" ]]
}
check "nothing is before the guard" is_behind false
(exec nsenter --net="$SB_DIR/ns/vm" -- infront veth-vm >"$SB_DIR/tmp/front") &
FRONT=$!
SB_PIDS+=("$FRONT")
until_true 5 grep -q there "$SB_DIR/tmp/front" || die "nobody is in front"
check_eq "behind another's program a frame passes" \
    "$(shot vm "$IMDS 80 syn 0" "$IMDS" 80 syn)" yes
check "status says so" until_true 15 is_behind true
check_eq "and is degraded" "$(ctl --json status | jq -r \
    '.state, (.reasons[] | select(.text | contains("before the guard")) | 1)' |
    xargs)" "degraded 1"
check_eq "the log as well" "$(grep -c uplink.behind "$SB_DIR/mspd.log")" 1
kill -TERM "$FRONT"
wait "$FRONT"
check "first again" until_true 15 is_behind false
check_eq "nothing was put back for that" "$(uplinks .restored)" '[0]'
volley no "first again" "${frames[@]}"

# --- taken off -----------------------------------------------------------------
take_off() {
    local id
    id=$(bpftool -j link show pinned "$SB_DIR"/bpf/mspd/layout-*/uplinks/* |
        jq '.id // empty')
    if [[ $id ]]; then
        bpftool link detach id "$id"
    else
        in_ns vm tc filter del dev veth-vm egress pref 1
    fi
}
is_restored() {
    [[ $(uplinks .restored) == '[1]' ]]
}
# it is told of a filter at once, and of a link within seconds
kill -STOP "$SB_MSPD"
check "somebody takes the guard off" take_off
check_eq "a frame passes" "$(shot vm "$IMDS 80 syn 0" "$IMDS" 80 syn)" yes
kill -CONT "$SB_MSPD"
check "it is put back" until_true 15 is_restored
check_eq "and reported" "$(grep -c uplink.removed "$SB_DIR/mspd.log")" 1
volley no restored "${frames[@]}"

# --- routes come and go ----------------------------------------------------------
has_uplinks() {
    [[ $(uplinks .name | jq -c sort) == "$1" ]]
}
in_ns vm ip link add second type veth peer name beyond
in_ns vm ip link set beyond up
in_ns vm ip addr add 10.98.0.1/30 dev second
in_ns vm ip link set second up
in_ns vm ip route add default via 10.98.0.2
check "a device with a default route is guarded" until_true 5 has_uplinks \
    '["second","veth-vm"]'
in_ns vm ip route del default
check "without it no more" until_true 5 has_uplinks '["veth-vm"]'
in_ns vm ip route add default via 10.98.0.2
check "with it once more" until_true 5 has_uplinks '["second","veth-vm"]'
in_ns vm ip link del second
check "a device that is gone is forgotten" until_true 5 has_uplinks \
    '["veth-vm"]'
check_eq "no pin of it is left" \
    "$(cd "$SB_DIR"/bpf/mspd/layout-*/uplinks && echo *)" \
    "$(in_ns vm ip -j link show dev veth-vm | jq '.[0].ifindex')"

# --- nobody at home, a new one, and the way out ----------------------------------
sandbox_stop_mspd KILL
volley no "mspd killed" "${frames[@]}"
sandbox_start_mspd
check_eq "restarted: the same device" "$(uplinks '[.name, .restored]')" \
    '[["veth-vm",0]]'
volley no restarted "${frames[@]}"
check_eq "restarted: the user is served" "$(http_code "$USER" vm "$URL")" 200
check "detach" ctl detach --yes
volley yes detached "${frames[@]}"
sandbox_done
