#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# Killed one by one, the processes take service with them but never the guard:
# who was denied stays denied, nothing goes out unsigned, and a new mspd takes
# the pins over as they are. The host here takes anything, so an unsigned
# request would be served.
. "$(dirname "$0")/../../harness/sandbox.sh"

USER=2001:3001
OTHER=2002:3002
URL=http://$IMDS/metadata/versions

# Those at the cgroup; a tracepoint's link cannot be exchanged, only replaced.
links() {
    local link
    for link in "$SB_DIR"/bpf/mspd/layout-*/links/*; do
        # tracepoints and LSM cannot be given another program
        [[ $link == */msp_on_* || $link == */msp_l_* ]] && continue
        printf '%s:' "$(basename "$link")"
        bpftool -j link show pinned "$link" | jq .id
    done
}

digest() {
    ctl --json status | jq -r .policy.digest
}

served() {
    [[ $(SB_MAX_TIME=2 http_code "$USER" vm "$URL") == 200 ]]
}

denied() {
    check_eq "$1: the other user is denied" \
        "$(SB_MAX_TIME=2 http_code "$OTHER" vm "$URL")" EPERM
}

# Kills what is there; true once nothing is.
agent_is_gone() {
    local pids
    mapfile -t pids <"$SB_CG/agent/cgroup.procs"
    ((${#pids[@]} == 0)) || kill -KILL "${pids[@]}"
    ((${#pids[@]} == 0))
}

kill_agent() {
    sandbox_stop_mspd KILL
    check "$1: nothing of the agent runs" until_true 10 agent_is_gone
}

new_child() {
    local pid
    pid=$(child_pid "$1" | head -n 1)
    [[ -n $pid && $pid != "$2" ]]
}

sandbox_up
sandbox_start_sim
sim_mode imds=off
sandbox_start_mspd
push_policy "$(policy "$(item disabled allow)")"
check_eq "with enforcement off both are served" "$(http_code "$USER" vm "$URL") $(http_code "$OTHER" vm "$URL")" "200 200"
push_policy "$(policy "$(item enforce deny \
    "$(rules /metadata/versions '"uid":2001')")")"
journal_mark
check "the user is served" served
denied "all alive"

proxy=$(child_pid mspd-proxy)
kill -KILL "$proxy"
denied "proxy killed"
check "a new proxy is started" until_true 10 new_child mspd-proxy "$proxy"
check "and serves" until_true 10 served

keeper=$(child_pid mspd-keeper)
kill -KILL "$keeper"
check "a new keeper is started" until_true 10 new_child mspd-keeper "$keeper"
check "the user is still served" until_true 10 served

before_links=$(links)
before_digest=$(digest)
sandbox_stop_mspd KILL
denied "mspd killed"
check "mspd killed: the proxy serves on" served
check_eq "mspd killed: mspctl says no daemon" \
    "$(ctl status >/dev/null 2>&1; echo $?)" 3

# While a new mspd takes over, the other user knocks all the time.
touch "$SB_DIR/tmp/knocking"
# shellcheck disable=SC2016
spawn_as "$OTHER" vm bash -c 'while [[ -e $0 ]]; do
        mspclient load --id knock --to "$1" --count 200 --target /x?
        sleep 0.01
    done' "$SB_DIR/tmp/knocking" "$IMDS:80" >"$SB_DIR/tmp/knock"
knock=$SB_LAST
sandbox_start_mspd
check "restarted: the user is served" until_true 10 served
rm "$SB_DIR/tmp/knocking"
wait "$knock"
check_eq "restarted: nobody slipped through" \
    "$(jq -r .result "$SB_DIR/tmp/knock" | sort -u)" EPERM
note "knocked $(wc -l <"$SB_DIR/tmp/knock") times meanwhile"
check_eq "restarted: the same links" "$(links)" "$before_links"
check_eq "restarted: the same policy" "$(digest)" "$before_digest"

kill_agent "all killed"
denied "all killed"
seen=$(journal_count)
got=$(SB_MAX_TIME=3 http_code "$USER" vm "$URL")
check "all killed: the user's connection fails ($got)" \
    test "$got" != 200
check_eq "all killed: nothing reaches the host" "$(journal_count)" "$seen"
check_eq "nothing unsigned ever did" "$(journal_count '.signed != "valid"')" 0

sandbox_start_mspd
check "started again: the user is served" until_true 10 served
denied "started again"

push_policy "$(policy "$(item audit deny)")"
check "audit: the other user is served" until_true 5 test \
    "$(http_code "$OTHER" vm "$URL")" = 200
kill_agent "audit"
other_served() {
    [[ $(SB_MAX_TIME=2 http_code "$OTHER" vm "$URL") == 200 ]]
}
check "audit, agent away: let out directly within 10 s" \
    until_true 10 other_served
check "and the host saw it unsigned" test \
    "$(journal_count '.signed == "none"')" -gt 0
sandbox_done
