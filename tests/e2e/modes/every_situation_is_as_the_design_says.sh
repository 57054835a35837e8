#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# {disabled, audit, enforce} x {eperm, refuse, http} x {all alive, mspd dead,
# both dead, proxy dead, no listener, no key}, and the time before any policy:
# for an allowed and a denied caller, what the client gets, what the host sees
# and what the audit map says, against a table written from the design and not
# from the code. The host takes anything, so whatever leaks is served; the
# disabled cells show it.
. "$(dirname "$0")/../../harness/sandbox.sh"

ALLOWED=2001:3001
DENIED=2002:3002
TARGET=/metadata/versions

# oracle MODE ONDENY SITUATION WHO: "client|journal|audit rows"; "fails" is any
# way a connection can fail
oracle() {
    local on_deny=$2 away=${3/proxy-dead/away}
    away=${away/both-dead/away}
    case $1/$away/$4 in
        disabled/*) echo "200|unsigned|" ;;
        audit/alive/allowed)
            echo "200|signed|connect allow redirected,request allow privilege"
            ;;
        audit/alive/denied)
            echo "200|signed|connect allow redirected,request audit not-assigned"
            ;;
        audit/no-key/allowed)
            echo "200|unsigned|connect allow redirected,request allow privilege"
            ;;
        audit/no-key/denied)
            echo "200|unsigned|connect allow redirected,request audit not-assigned"
            ;;
        audit/*) echo "200|unsigned|connect direct direct-agent-away" ;;
        enforce/no-key/allowed)
            echo "503|none|connect allow redirected,request allow privilege"
            ;;
        enforce/away/allowed) echo "fails|none|connect allow redirected" ;;
        enforce/no-listener/allowed)
            echo "$(refusal "$on_deny" ECONNREFUSED)|none|connect deny no-listener"
            ;;
        enforce/*/allowed) # alive, and the proxy outliving mspd
            echo "200|signed|connect allow redirected,request allow privilege"
            ;;
        enforce/away/denied)
            echo "$(refusal "$on_deny" fails)|none|connect deny no-rule-for-you"
            ;;
        enforce/no-listener/denied)
            echo "$(refusal "$on_deny" ECONNREFUSED)|none|connect deny no-rule-for-you"
            ;;
        enforce/*/denied)
            if [[ $on_deny == http ]]; then
                echo "403|none|connect deny no-rule-for-you,request deny no-rule-for-you"
            else
                echo "$(refusal "$on_deny")|none|connect deny no-rule-for-you"
            fi
            ;;
    esac
}

# refusal ONDENY [WHAT http GETS]
refusal() {
    case $1 in
        eperm) echo EPERM ;;
        refuse) echo ECONNREFUSED ;;
        *) echo "$2" ;;
    esac
}

journal_of() {
    journal | jq -r --arg id "$1" 'select(.client_id == $id) |
        if .signed == "valid" then "signed"
        elif .signed == "none" then "unsigned"
        else "bad: \(.why)" end' | paste -sd, | sed 's/^$/none/'
}

# The audit map as root reads it with no daemon to ask.
audit_of() {
    bpftool -j map dump pinned "$SB_DIR/bpf/mspd/layout-8/maps/msp_audit" |
        jq -r --argjson cg "$1" '.[] | (.formatted // .).key |
            select(.cgroup_id == $cg) | [.stage, .verdict, .reason] |
            map(sub("MSP_[A-Z]+_"; "") | ascii_downcase | gsub("_"; "-")) |
            join(" ")' | sort -u | paste -sd,
}

one_request() {
    run_as "$1" "$2" mspclient steps "header=x-client-id: $3" timeout=1000 \
        linger0 "connect=$IMDS:80" "request=$TARGET" close | steps_result
}

CELLS=0

# try WHO-IDS NETNS CLAIM WANTED
try() {
    local id=cell-$((++CELLS)) got rest
    client_cgroup "$id"
    got=$(one_request "$1" "$2" "$id")
    if [[ $4 == fails* && $got =~ ^(ETIMEDOUT|ECONNREFUSED|EOF|EPIPE)$ ]]; then
        got=fails
    fi
    rest="|$(journal_of "$id")|$(audit_of "$SB_CLIENT_CG_ID")"
    check_eq "$3" "$got$rest" "$4"
}

# cells SITUATION: both callers
cells() {
    local who ids ns=vm
    [[ $1 == no-listener ]] && ns=c1
    for who in allowed denied; do
        ids=$ALLOWED
        [[ $who == denied ]] && ids=$DENIED
        try "$ids" "$ns" "$MODE, $ON_DENY, $1, $who" \
            "$(oracle "$MODE" "$ON_DENY" "$1" "$who")"
    done
}

is_direct() {
    [[ $(one_request "$DENIED" vm probe) == 200 &&
        $(journal_of probe) == *unsigned ]]
}

# In audit mode clients are sent to the listener until the heartbeat is 5 s
# old; from then on they go out directly.
audit_notices() {
    [[ $MODE != audit ]] || check "audit, $1: noticed" until_true 30 is_direct
}

proxy_is_gone() {
    [[ -z $(child_pid mspd-proxy) ]]
}

proxy_is_new() {
    local pid
    pid=$(child_pid mspd-proxy)
    [[ -n $pid && $pid != "$1" ]]
}

serves_allowed() {
    [[ $(one_request "$ALLOWED" vm probe) == 200 ]]
}

push() {
    local document
    document=$(item "$MODE" deny "$(rules "$TARGET" '"uid":2001')")
    push_policy "$(policy "${document/\{/\{\"onDeny\":\"$ON_DENY\",}")"
}

kill_proxy() {
    kill -KILL "$(child_pid mspd-proxy)"
    check "$MODE, $ON_DENY: the proxy is dead" until_true 5 proxy_is_gone
}

situations() {
    local old
    push
    check "$MODE, $ON_DENY: serves" until_true 10 serves_allowed
    cells alive
    cells no-listener
    sandbox_stop_mspd KILL
    audit_notices "mspd dead"
    cells mspd-dead
    kill_proxy
    cells both-dead
    sandbox_start_mspd
    check "$MODE, $ON_DENY: serves again" until_true 10 serves_allowed
    old=$(child_pid mspd-proxy)
    kill -STOP "$SB_MSPD" # nobody starts another proxy
    kill_proxy
    audit_notices "proxy dead"
    cells proxy-dead
    kill -CONT "$SB_MSPD"
    check "$MODE, $ON_DENY: a new proxy" until_true 10 proxy_is_new "$old"
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
    # somebody there has every port a listener could have: there can be none
    spawn_as 0:0 c1 /usr/bin/python3 -c '
import socket, sys, time
held = [socket.create_server(("127.0.0.1", p)) for p in range(61080, 61100)]
open(sys.argv[1], "w")
time.sleep(10000)' "$SB_DIR/tmp/squats"
    until_true 10 test -e "$SB_DIR/tmp/squats" || die "the ports were not taken"
}

for_all() {
    for MODE in disabled audit enforce; do
        for ON_DENY in eperm refuse http; do
            "$@"
        done
    done
}

no_key() {
    push
    cells no-key
}

# before any policy: bootstrap WORDS WANTED-OF-ROOT [mspd options]
bootstrap() {
    local claim=$1 wanted=$2
    shift 2
    sandbox_stop_mspd
    rm -rf "$SB_DIR"/bpf/mspd/layout-* "${SB_DIR:?}"/state/*
    sandbox_start_mspd "$@"
    try 0:0 vm "$claim, root" "$wanted"
    try "$ALLOWED" vm "$claim, user" "EPERM|none|connect deny bootstrap-deny"
}

sandbox_up
container_network
sandbox_start_sim
sim_mode imds=off
sandbox_start_mspd
for_all situations
sandbox_stop_mspd
SB_KEY='' sandbox_start_mspd
for_all no_key
bootstrap bootstrap \
    "200|unsigned|connect allow bootstrap,request allow bootstrap"
bootstrap "bootstrap deny" "EPERM|none|connect deny bootstrap-deny" \
    --bootstrap deny
check_eq "every cell was tried" "$CELLS" $((9 * (5 + 1) * 2 + 4))
sandbox_done
