#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# An endpoint with a native IPv6 address that nobody signs for: who is allowed
# goes out directly, who is not gets EPERM, and the guard drops what connect
# has not let out. Probes from that address are answered.
. "$(dirname "$0")/../../harness/sandbox.sh"

ALLOWED=2001:3001
DENIED=2002:3002
ADDR=fd00:ec2::254
TARGET=/metadata/versions
PACKETS=$MSP_SOURCE/tests/harness/client/packets.py

# NAME | steps up to the request
ways=(
    "plain|socket=tcp6 connect=[$ADDR]:80"
    "IPV6_V6ONLY|socket=tcp6 v6only=1 connect=[$ADDR]:80"
    "non-blocking|nonblock socket=tcp6 connect=[$ADDR]:80 finish"
    "Fast Open by sendto|socket=tcp6 fastopen=[$ADDR]:80"
    "Fast Open deferred|socket=tcp6 deferred=[$ADDR]:80"
    "MPTCP|socket=mptcp6 connect=[$ADDR]:80"
    "io_uring|socket=tcp6 uring=[$ADDR]:80"
    "bound address|socket=tcp6 bind=[fd97::2]:40010 connect=[$ADDR]:80"
    "used before|socket=tcp6 connect=[$ADDR]:80 unspec connect=[$ADDR]:80"
    "two threads|socket=tcp6 threads=[$ADDR]:80"
)

walk() {
    local who=$1 id=$2
    shift 2
    run_as "$who" vm mspclient steps "header=x-client-id: $id" linger0 "$@" \
        "request=$TARGET" close |
        jq -rs 'map(select(.step != "close" and .result != "ok" and
            .result != "EINPROGRESS")) as $bad |
            if $bad | length > 0 then $bad[0].result else
            map(select(.status)) | last | .status end'
}

seen() {
    journal | jq -r --arg id "$1" 'select(.client_id == $id) | .signed' |
        paste -sd,
}

# document MODE
document() {
    printf '{"version":1,"endpoints":{"imds6":{"addresses":["%s"],' $ADDR
    printf '"ports":[80],"sign":false,"mode":"%s","defaultAccess":"deny",' "$1"
    printf '"id":"t","rules":%s}}}' "$(rules $TARGET '"uid":2001')"
}

every() {
    local n=0 way steps
    for way in "${ways[@]}"; do
        n=$((n + 1))
        read -ra steps <<<"${way#*|}"
        check_eq "$1: ${way%%|*}: allowed" \
            "$(walk "$ALLOWED" "$1-$n-a" "${steps[@]}") $(seen "$1-$n-a")" \
            "200 none"
        check_eq "$1: ${way%%|*}: denied" \
            "$(walk "$DENIED" "$1-$n-d" "${steps[@]}") $(seen "$1-$n-d")" "$2"
    done
}

address_is_ready() {
    [[ -z $(in_ns "$1" ip -6 addr show tentative) ]]
}

raw_syn() {
    run_as 0:0 vm python3 "$PACKETS" send6 fd97::2 $ADDR 80
}

sandbox_up
in_ns sim ip addr add $ADDR/128 dev lo nodad
in_ns sim ip addr add fd97::1/64 dev veth-sim nodad
in_ns vm ip addr add fd97::2/64 dev veth-vm nodad
in_ns vm ip route add $ADDR/128 via fd97::1
in_ns vm sysctl -q net.ipv4.tcp_fastopen=1543
in_ns sim sysctl -q net.ipv4.tcp_fastopen=1543
check "the addresses are ready" until_true 10 address_is_ready vm
sandbox_start_sim --listen "imds=[$ADDR]:80"
sim_mode imds=off
sandbox_start_mspd
push_policy "$(document disabled)"
every off "200 none"
check_eq "off: a raw SYN goes out" "$(raw_syn)" sent
push_policy "$(document enforce)"
every enforced "EPERM "
check_eq "enforced: a raw SYN does not" "$(raw_syn)" EPERM
check_eq "the peer's name is its own" "$(run_as "$ALLOWED" vm mspclient steps \
    socket=tcp6 "connect=[$ADDR]:80" peer | jq -r 'select(.addr) | .addr')" \
    "$ADDR"
for port in 80:EPERM 53:ok; do
    check_eq "UDP to its port ${port%:*}" "$(run_as "$DENIED" vm \
        mspclient steps socket=udp6 "connect=[$ADDR]:${port%:*}" |
        jq -r 'select(.step == "connect") | .result')" "${port#*:}"
done
push_policy "$(document audit)"
every audit "200 none"

# --- a probe from that very address and port -----------------------------------
kill "$SB_SIM"
wait "$SB_SIM"
push_policy "$(document enforce)"
spawn_as "$DENIED" vm python3 "$PACKETS" serve fd97::2 8080 300000 \
    >"$SB_DIR/tmp/served" 2>&1
check "a server listens" until_true 10 grep -qx listening "$SB_DIR/tmp/served"
check_eq "a probe from the endpoint is answered in full" \
    "$(in_ns sim python3 "$PACKETS" probe $ADDR 80 fd97::2 8080)" "300000 ok"
sandbox_done
