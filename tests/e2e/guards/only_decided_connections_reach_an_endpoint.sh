#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# The wall behind connect: whatever opens or feeds a TCP connection to an
# enforced endpoint without a decision is dropped, raw, fragmented, with
# options, by a rewritten destination or on a connection older than mspd; what
# ends a connection passes. A watcher on the host's side of the wire is the
# judge, and each packet is first seen there with enforcement off.
. "$(dirname "$0")/../../harness/sandbox.sh"

ROOT=0:0
USER=2001:3001
PACKETS=$MSP_SOURCE/tests/harness/client/packets.py
URL=http://$IMDS/metadata/versions

egress_denied() {
    ctl --json status | jq '.stats[] | select(.name == "egress-denied") | .value'
}

is_watching() {
    grep -qx watching "$SB_DIR/tmp/wire-$1"
}

# start_watch NAME DEVICE: what comes in on a device of the host's side
start_watch() {
    (exec nsenter --net="$SB_DIR/ns/sim" -- python3 "$PACKETS" watch "$2" \
        "$SB_DIR/tmp/wire-$1") &
    SB_PIDS+=($!)
    until_true 10 is_watching "$1" || die "no watcher on $2"
}

# What the wire of the VM's namespace has seen since line WIRE_MARK. A packet
# sent last tells that all others have come or never will.
marker=2000
marker_seen() {
    tail -n "+$((WIRE_MARK + 1))" "$SB_DIR/tmp/wire-vm" |
        grep -qx "10.97.0.1 $marker udp 4"
}

wire_mark() {
    WIRE_MARK=$(wc -l <"$SB_DIR/tmp/wire-vm")
}

wire() {
    marker=$((marker + 1))
    run_as "$ROOT" vm python3 "$PACKETS" send 10.97.0.1 $marker udp >/dev/null
    until_true 5 marker_seen || die "the marker did not arrive"
    tail -n "+$((WIRE_MARK + 1))" "$SB_DIR/tmp/wire-vm"
}

# shot SEEN WORDS...: whether such a packet came through, "yes" or "no"
shot() {
    local seen=$1
    shift
    wire_mark
    run_as "$ROOT" vm python3 "$PACKETS" send "$@" >/dev/null
    if wire | grep -qxF "$seen"; then echo yes; else echo no; fi
}

# CLAIM | as the wire shows it | packet
dropped=(
    "a raw SYN|$IMDS 80 syn 0|$IMDS 80 syn"
    "a raw SYN from another address|$IMDS 80 syn 0|$IMDS 80 syn source=10.97.0.9"
    "raw data|$IMDS 80 ack 18|$IMDS 80 data"
    "a fragment|$IMDS 0 frag 20|$IMDS 80 syn frag"
    "a fragment of another port|$IMDS 0 frag 20|$IMDS 81 syn frag"
    "a SYN with NOP options|$IMDS 80 syn 0|$IMDS 80 syn options=01010101"
    "a SYN with a timestamp option|$IMDS 80 syn 0|$IMDS 80 syn options=440805000000000000000000"
    "a SYN with a source route|$IMDS 80 syn 0|10.97.0.1 80 syn via=10.97.0.1 options=830704a9fea9fe00"
)
passed=(
    "an ACK|$IMDS 80 ack 0|$IMDS 80 ack"
    "a FIN|$IMDS 80 fin+ack 0|$IMDS 80 fin"
    "a RST|$IMDS 80 rst 0|$IMDS 80 rst"
    "a SYN to another port|$IMDS 81 syn 0|$IMDS 81 syn"
    "a SYN to another address|10.97.0.1 80 syn 0|10.97.0.1 80 syn"
    "a fragment to another address|10.97.0.1 0 frag 20|10.97.0.1 80 syn frag"
    "UDP to the same address and port|$IMDS 80 udp 4|$IMDS 80 udp"
    "DNS|$WIRE 53 udp 4|$WIRE 53 udp"
    "ICMP|$IMDS 0 icmp 8|$IMDS 80 icmp"
    "a SYN to an endpoint in audit|$WIRE 80 syn 0|$WIRE 80 syn"
    "a fragment to an address in audit|$WIRE 0 frag 20|$WIRE 80 syn frag"
    "a SYN to a disabled endpoint|$WIRE 32526 syn 0|$WIRE 32526 syn"
)

# volley WANTED CASES...
volley() {
    local wanted=$1 when=$2 one seen
    shift 2
    for one in "$@"; do
        IFS='|' read -r claim seen words <<<"$one"
        # shellcheck disable=SC2086
        check_eq "$when: $claim, let through: $wanted" \
            "$(shot "$seen" $words)" "$wanted"
    done
}

is_closed_at_host() {
    [[ -z $(in_ns sim ss -Hatn "dport = :$1") ]]
}

is_established_at_host() {
    [[ -n $(in_ns sim ss -Htn state established "dport = :$1") ]]
}

result_of() {
    jq -r 'select(.step == "request" or .step == "finish") |
        "\(.step) \(.result)\(if .status then " \(.status)" else "" end)"' "$1" |
        paste -sd,
}

# A client of the namespace c1, whose own nftables turn 10.97.1.1:8080 into
# the endpoint.
rewritten() {
    run_as "$USER" c1 mspclient steps nonblock timeout=1500 \
        connect=10.97.1.1:8080 finish "request=/metadata/versions" linger0 \
        close >"$SB_DIR/tmp/rewritten"
    result_of "$SB_DIR/tmp/rewritten"
}

container_network() {
    make_netns c1
    in_ns sim ip link add veth-c1 type veth peer name eth0
    in_ns sim ip link set eth0 netns "$SB_DIR/ns/c1"
    in_ns sim ip addr add 10.97.1.1/30 dev veth-c1
    in_ns sim ip link set veth-c1 up
    in_ns c1 ip addr add 10.97.1.2/30 dev eth0
    in_ns c1 ip link set eth0 up
    in_ns c1 ip route add "$IMDS/32" via 10.97.1.1
    in_ns c1 nft "add table ip guard
        add chain ip guard out { type nat hook output priority -100; }
        add rule ip guard out ip daddr 10.97.1.1 tcp dport 8080 dnat to $IMDS:80"
}

sandbox_up
command -v nft >/dev/null || die "nft is missing; run scripts/setup"
container_network || skip "nftables with address translation"
sandbox_start_sim
sim_mode imds=off wireserver=off hostga=off
start_watch vm veth-sim

# --- connections older than mspd ------------------------------------------------
for n in 1 2 3; do
    last=(request=/metadata/versions linger0)
    [[ $n == 3 ]] && last=() # closes in order
    spawn_as "$USER" vm mspclient steps "bind=0.0.0.0:4010$n" \
        "connect=$IMDS:80" request=/metadata/versions "until=$SB_DIR/tmp/go-$n" \
        timeout=1500 "${last[@]}" close >"$SB_DIR/tmp/old-$n"
    old[n]=$SB_LAST
    check "older connection $n is there" \
        until_true 5 is_established_at_host 4010$n
done

sandbox_start_mspd
push_policy "$(policy "$(item disabled allow)")"
touch "$SB_DIR/tmp/go-1"
wait "${old[1]}"
check_eq "off: an older connection asks on" \
    "$(result_of "$SB_DIR/tmp/old-1")" "request ok 200,request ok 200"
volley yes off "${dropped[@]}" "${passed[@]}"
check_eq "off: a rewritten destination is served" "$(rewritten)" \
    "finish ok,request ok 200"

# --- enforced -------------------------------------------------------------------
push_policy "$(policy "$(item enforce allow)" "$(item audit allow)" \
    "$(item disabled allow)")"
before=$(egress_denied)
volley no enforced "${dropped[@]}"
check_eq "each of them is counted" "$(($(egress_denied) - before))" \
    "${#dropped[@]}"
before=$(egress_denied)
volley yes enforced "${passed[@]}"
check_eq "none of these is" "$(($(egress_denied) - before))" 0
check_eq "a rewritten destination leads nowhere" "$(rewritten)" \
    "finish ETIMEDOUT,request EAGAIN 0"

journal_mark
wire_mark
touch "$SB_DIR/tmp/go-2"
wait "${old[2]}"
check_eq "an older connection asks in vain" \
    "$(result_of "$SB_DIR/tmp/old-2")" "request ok 200,request ETIMEDOUT 0"
check_eq "no byte of it was on the wire" \
    "$(wire | grep "^$IMDS 80 " | grep -vc ' 0$')" 0
check_eq "nothing reached the host" "$(journal_count)" 0
check "its reset closed the host's side" until_true 5 is_closed_at_host 40102
wire_mark
touch "$SB_DIR/tmp/go-3"
wait "${old[3]}"
check "an older connection closes in order on the host's side" \
    until_true 5 is_closed_at_host 40103
check_eq "by FIN, and no reset" \
    "$(wire | grep "^$IMDS 80 " | cut -d' ' -f3 | sort | uniq -c |
        awk '{ print $2, $1 }' | paste -sd,)" "ack 1,fin+ack 1"

check_eq "the agent's own connection passes" \
    "$(http_code "$USER" vm "$URL") $(journal_count '.signed == "valid"')" \
    "200 1"

# --- nobody at home -----------------------------------------------------------
sandbox_stop_mspd KILL
agent_is_gone() {
    local pids
    mapfile -t pids <"$SB_CG/agent/cgroup.procs"
    ((${#pids[@]} == 0)) || kill -KILL "${pids[@]}" 2>/dev/null
    ((${#pids[@]} == 0))
}
check "nothing of the agent runs" until_true 10 agent_is_gone
volley no "agent dead" "${dropped[@]}"
sandbox_done
