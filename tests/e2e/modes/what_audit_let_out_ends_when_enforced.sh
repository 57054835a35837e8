#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# With the agent away audit lets clients out directly. Such a connection was
# never judged: once the endpoint is enforced it carries nothing more, though
# its owner would be allowed today. While it is audit it goes on.
. "$(dirname "$0")/../../harness/sandbox.sh"

USER=2001:3001

agent_is_gone() {
    local pids
    mapfile -t pids <"$SB_CG/agent/cgroup.procs"
    ((${#pids[@]} == 0)) || kill -KILL "${pids[@]}" 2>/dev/null
    ((${#pids[@]} == 0))
}

is_direct() {
    [[ $(ask mspclient "$USER" vm "$IMDS:80" /metadata/versions probe) == 200 ]]
}

has_asked() {
    (($(grep -c '"request"' "$SB_DIR/tmp/direct") >= $1))
}

sandbox_up
sandbox_start_sim
sim_mode imds=off
sandbox_start_mspd
push_policy "$(policy "$(item audit deny)")"
sandbox_stop_mspd KILL
check "nothing of the agent runs" until_true 10 agent_is_gone
check "clients are let out" until_true 10 is_direct
spawn_as "$USER" vm mspclient steps "header=x-client-id: direct" \
    "connect=$IMDS:80" request=/metadata/versions "until=$SB_DIR/tmp/audit" \
    request=/metadata/versions "until=$SB_DIR/tmp/enforce" timeout=1500 \
    request=/metadata/versions linger0 close >"$SB_DIR/tmp/direct"
client=$SB_LAST
check "one connection is let out" until_true 5 has_asked 1
sandbox_start_mspd
touch "$SB_DIR/tmp/audit"
check "it goes on while it is audit" until_true 5 has_asked 2
push_policy "$(policy "$(item enforce allow)")"
touch "$SB_DIR/tmp/enforce"
wait "$client"
check_eq "and ends when it is enforced" "$(jq -r 'select(.step == "request") |
    "\(.result) \(.status)"' "$SB_DIR/tmp/direct" | paste -sd,)" \
    "ok 200,ok 200,ETIMEDOUT 0"
check_eq "the host saw two requests of it" \
    "$(journal_count '.client_id == "direct"')" 2
check_eq "a new connection is signed for" \
    "$(ask curl "$USER" vm "$IMDS:80" /metadata/versions new) $(journal |
        jq -r 'select(.client_id == "new") | .signed')" "200 valid"
sandbox_done
