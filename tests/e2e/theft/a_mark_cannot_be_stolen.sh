#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# A mark belongs to one connection of one caller. Each attempt below first
# shows the honest request succeeding on the same source port, so that a stale
# mark was there to be taken, and then that nobody gets anything for it:
# refused, or closed without an answer, and nothing in the journal.
. "$(dirname "$0")/../../harness/sandbox.sh"

OWNER=3001:5001
THIEF=3002:5002
ASK=("host=$IMDS" request=/metadata/versions) # what a thief would get 200 for

# A process in no cgroup of the test: our hooks do not run for its connects.
run_uncovered() {
    in_ns vm setpriv --reuid 3002 --regid 5002 --clear-groups -- "$@"
}

# The steps of one process; prints "STEP RESULT [STATUS]" of those that matter.
steps() {
    "$@" | jq -r 'select(.step == "connect" or .step == "finish" or
        .step == "request" or .step == "device") |
        "\(.step) \(.result)\(if .status then " \(.status)" else "" end)"' |
        paste -sd, |
        # a request on a socket that is not connected
        sed 's/request \(EPIPE\|ECONNRESET\|ENOTCONN\) 0/request failed/g'
}

nothing_gained() {
    check_eq "$1: nothing reached the host" "$(journal_count)" 0
}

# An answer that carries no status: closed at once, by FIN or RST.
is_closed() {
    [[ $1 == 'connect ok,request ok 0' || $1 == 'connect ok,request failed' ]]
}

honest() {
    check_eq "$1: the honest request succeeds" "$(steps run_as \
        "$OWNER" vm mspclient steps linger0 "bind=0.0.0.0:$2" \
        "connect=$IMDS:80" "${ASK[@]}" close)" 'connect ok,request ok 200'
    journal_mark
}

sandbox_up
in_ns vm sysctl -q net.core.somaxconn=64
sandbox_start_sim
sandbox_start_mspd
push_policy "$(policy "$(item enforce deny \
    "$(rules /metadata/versions '"uid":3001')")")"
PORT=$(listener_port)
DIRECT=127.0.0.1:$PORT

# --- the listener, without a mark at all -------------------------------------
honest "direct" 40000
for who in "$OWNER" "$THIEF" 0:0; do
    check_eq "direct to the listener as $who" "$(steps run_as "$who" vm \
        mspclient steps "connect=$DIRECT" "${ASK[@]}")" \
        "connect EPERM,request failed"
done
for addr in 127.0.0.2 127.255.255.254 0.0.0.0; do
    check_eq "direct to $addr" "$(steps run_as "$THIEF" vm \
        mspclient steps "connect=$addr:$PORT" "${ASK[@]}")" \
        "connect EPERM,request failed"
done
got=$(steps run_uncovered mspclient steps "connect=$DIRECT" "${ASK[@]}")
check "direct from outside the hooks is closed: $got" is_closed "$got"
nothing_gained "direct"

# --- the port of an honest connection, again ----------------------------------
honest "port reuse" 40001
check_eq "port reuse, inside the hooks" "$(steps run_as "$THIEF" vm \
    mspclient steps bind=0.0.0.0:40001 "connect=$DIRECT" "${ASK[@]}")" \
    "connect EPERM,request failed"
got=$(steps run_uncovered mspclient steps bind=0.0.0.0:40001 \
    "connect=$DIRECT" "${ASK[@]}")
check "port reuse, outside the hooks, is closed: $got" is_closed "$got"
nothing_gained "port reuse"

# --- a hand-off entry nobody collected ----------------------------------------
# The queue is full, so the honest SYN is dropped; its client gives up or lives
# on while the thief brings the same tuple.
proxy=$(child_pid mspd-proxy)
honest "stale tuple" 40002
in_ns vm sysctl -q net.ipv4.tcp_syncookies=0
kill -STOP "$proxy"
spawn_as "$OWNER" vm mspclient load --id fill --to "$IMDS:80" --count 300 \
    --parallel 300 --target '/metadata/versions?fill=1' >"$SB_DIR/tmp/fill"
fill=$SB_LAST
queue_is_full() {
    local waiting limit
    read -r _ waiting limit _ < <(in_ns vm ss -Hltn "sport = :$PORT")
    ((waiting >= limit))
}
check "stale tuple: the queue is full" until_true 10 queue_is_full
run_as "$OWNER" vm mspclient steps nonblock linger0 bind=0.0.0.0:40002 \
    "connect=$IMDS:80" close >"$SB_DIR/tmp/lost"
check "stale tuple: an honest SYN went unanswered" \
    grep -q '"connect".*EINPROGRESS' "$SB_DIR/tmp/lost"
kill -CONT "$proxy"
wait "$fill"
journal_mark
got=$(steps run_uncovered mspclient steps bind=0.0.0.0:40002 \
    "connect=$DIRECT" "${ASK[@]}")
check "stale tuple: the thief is closed: $got" is_closed "$got"
nothing_gained "stale tuple"

# --- one socket, two lives -----------------------------------------------------
journal_mark
check_eq "AF_UNSPEC, then the listener" "$(steps run_as "$OWNER" vm \
    mspclient steps bind=0.0.0.0:40003 "connect=$IMDS:80" unspec \
    "connect=$DIRECT" "${ASK[@]}")" "connect ok,connect EPERM,request failed"
nothing_gained "AF_UNSPEC"
check_eq "AF_UNSPEC, then the endpoint again: a fresh mark" "$(steps run_as \
    "$OWNER" vm mspclient steps "connect=$IMDS:80" unspec "connect=$IMDS:80" \
    "${ASK[@]}")" "connect ok,connect ok,request ok 200"
journal_mark
in_ns vm ip link add dead0 type veth peer name dead1 # and left down
check_eq "a connect whose SYN could not leave, then the listener" \
    "$(steps run_as 0:0 vm setpriv --reuid 3001 --regid 5001 --clear-groups \
        --inh-caps +net_raw --ambient-caps +net_raw -- \
        mspclient steps device=dead0 \
        "connect=$IMDS:80" device= "connect=$DIRECT" "${ASK[@]}")" \
    "device ok,connect EPERM,device ok,connect EPERM,request failed"
nothing_gained "SO_BINDTODEVICE"
check_eq "a denied caller, then the listener" "$(steps run_as "$THIEF" vm \
    mspclient steps "connect=$IMDS:80" "connect=$DIRECT" "${ASK[@]}")" \
    "connect EPERM,connect EPERM,request failed"
nothing_gained "denied caller"

# --- one tuple, two namespaces ----------------------------------------------------
make_netns c1
make_netns c2
check "a listener in the first namespace" ctl netns add "$SB_DIR/ns/c1"
check "a listener in the second namespace" ctl netns add "$SB_DIR/ns/c2"
spawn_as "$OWNER" c1 mspclient load --id one --to "$IMDS:80" --count 400 \
    --parallel 8 --ports 41000-41007 --target '/metadata/versions?x=1' \
    >"$SB_DIR/tmp/one"
one=$SB_LAST
push_policy "$(policy "$(item enforce deny '{"privileges":[
    {"name":"p1","path":"/metadata/versions","queryParameters":{"x":"1"}},
    {"name":"p2","path":"/metadata/versions","queryParameters":{"x":"2"}}],
    "roles":[{"name":"r1","privileges":["p1"]},
    {"name":"r2","privileges":["p2"]}],
    "identities":[{"name":"i1","uid":3001},{"name":"i2","uid":3002}],
    "roleAssignments":[{"role":"r1","identities":["i1"]},
    {"role":"r2","identities":["i2"]}]}')")"
wait "$one"
spawn_as "$OWNER" c1 mspclient load --id one --to "$IMDS:80" --count 1000 \
    --parallel 8 --ports 41000-41007 --target '/metadata/versions?x=1' \
    --foreign '/metadata/versions?x=2' --foreign-every 2 >"$SB_DIR/tmp/one"
one=$SB_LAST
spawn_as "$THIEF" c2 mspclient load --id two --to "$IMDS:80" --count 1000 \
    --parallel 8 --ports 41000-41007 --target '/metadata/versions?x=2' \
    --foreign '/metadata/versions?x=1' --foreign-every 2 >"$SB_DIR/tmp/two"
wait "$one" "$SB_LAST"
for n in one two; do
    check_eq "the same tuples in two namespaces: $n gets its own only" \
        "$(jq -rs 'group_by([.kind, .status, .result]) |
            map("\(.[0].kind) \(.[0].status) \(length)") | join(",")' \
            "$SB_DIR/tmp/$n")" "foreign 403 500,own 200 500"
done

# Again while nobody accepts: the queues are short and full, so SYNs of equal
# tuples wait in both namespaces, each with its mark published.
fill_and_wait() {
    spawn_as "$1" "$2" mspclient load --id "$2" --to "$IMDS:80" --count 24 \
        --parallel 24 --ports 42000-42023 --target "$3" --foreign "$4" \
        --foreign-every 2 >"$SB_DIR/tmp/$2"
    clients+=("$SB_LAST")
}
has_waiting_syns() {
    [[ $(in_ns "$1" ss -Htn state syn-sent | wc -l) -ge 4 ]]
}
make_netns c3
make_netns c4
for ns in c3 c4; do
    in_ns $ns sysctl -q net.core.somaxconn=8 net.ipv4.tcp_syncookies=0
    check "a listener with a short queue in $ns" ctl netns add "$SB_DIR/ns/$ns"
done
clients=()
kill -STOP "$proxy"
fill_and_wait "$OWNER" c3 '/metadata/versions?x=1' '/metadata/versions?x=2'
fill_and_wait "$THIEF" c4 '/metadata/versions?x=2' '/metadata/versions?x=1'
for ns in c3 c4; do
    check "SYNs of equal tuples wait in $ns" until_true 10 has_waiting_syns $ns
done
kill -CONT "$proxy"
wait "${clients[@]}"
for ns in c3 c4; do
    check_eq "equal tuples waiting in two namespaces: $ns gets its own only" \
        "$(jq -rs 'group_by([.kind, .status, .result]) |
            map("\(.[0].kind) \(.[0].status) \(length)") | join(",")' \
            "$SB_DIR/tmp/$ns")" "foreign 403 12,own 200 12"
done
sandbox_done
