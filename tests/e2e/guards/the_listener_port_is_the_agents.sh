#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# Nobody but the agent binds the port to which callers are redirected, by any
# address or option, root or not, also when the agent is dead. The others of the
# range are for the next agent: on loopback, where mspd lives, root alone binds
# them. Every other port, UDP and other namespaces are free.
. "$(dirname "$0")/../../harness/sandbox.sh"

# try WHO NETNS STEPS...: how bind and listen failed, or ok
try() {
    local who=$1 ns=$2
    shift 2
    run_as "$who" "$ns" mspclient steps "$@" |
        jq -rs 'map(select(.step == "bind" or .step == "listen") | .result) |
            map(select(. != "ok"))[0] // "ok"'
}

# CLAIM | steps; P is the port
binds=(
    "its address|bind=127.0.0.1:P listen"
    "any address|bind=0.0.0.0:P listen"
    "another loopback address|bind=127.0.0.2:P listen"
    "the interface's address|bind=10.97.0.2:P listen"
    "any IPv6 address|socket=tcp6 bind=[::]:P listen"
    "any IPv6 address, IPv6 only|socket=tcp6 v6only=1 bind=[::]:P listen"
    "IPv6 loopback|socket=tcp6 bind=[::1]:P listen"
    "its mapped address|socket=tcp6 bind=[::ffff:127.0.0.1]:P listen"
    "with SO_REUSEPORT|reuseport bind=127.0.0.1:P listen"
    "any address with SO_REUSEPORT|reuseport bind=0.0.0.0:P listen"
    "mapped with SO_REUSEPORT|socket=tcp6 reuseport bind=[::ffff:127.0.0.1]:P listen"
    "MPTCP|socket=mptcp bind=127.0.0.1:P listen"
    "MPTCP, mapped|socket=mptcp6 bind=[::ffff:127.0.0.1]:P listen"
)

# kept STEPS WHO: what comes of it at a port that is for the next agent
kept() {
    [[ $2 == 0:0 || $1 == *10.97* ]] && echo ok || echo EPERM
}

# every WANTED WHEN NETNS PORT; WANTED "kept" is what that says
every() {
    local one claim steps who wanted
    for one in "${binds[@]}"; do
        IFS='|' read -r claim steps <<<"$one"
        [[ $3 != c1 || $steps != *10.97* ]] || continue
        for who in 0:0 2001:3001; do
            wanted=$1
            [[ $1 != kept ]] || wanted=$(kept "$steps" "$who")
            # shellcheck disable=SC2086
            check_eq "$2: ${who%:*}: $claim" \
                "$(try "$who" "$3" ${steps//P/$4})" "$wanted"
        done
    done
}

denied() {
    ctl --json status | jq '.stats[] | select(.name == "bind-denied") | .value'
}

sandbox_up
sandbox_start_sim
make_netns c1
every ok "without mspd" vm 61080
sandbox_start_mspd
PORT=$(ctl --json status | jq -r '.. | .port? // empty' | head -n 1)
PORT=${PORT:-61080}
push_policy "$(policy "$(item enforce deny \
    "$(rules /metadata/versions '"uid":2001')")")"
every EPERM guarded vm "$PORT"
check_eq "each is counted" "$(denied)" "$((2 * ${#binds[@]}))"
every kept "another port of the range" vm "$((PORT + 1))"
every ok "a namespace without a listener" c1 "$PORT"
check_eq "a port below the range" "$(try 2001:3001 vm bind=127.0.0.1:61079)" ok
check_eq "a port above the range" "$(try 2001:3001 vm bind=127.0.0.1:61100)" ok
for kind in udp udp6; do
    addr=127.0.0.1
    [[ $kind == udp6 ]] && addr='[::]'
    check_eq "$kind on that port" \
        "$(try 2001:3001 vm socket=$kind "bind=$addr:$PORT")" ok
done
check_eq "the port serves" \
    "$(http_code 2001:3001 vm "http://$IMDS/metadata/versions")" 200

sandbox_stop_mspd KILL
agent_is_gone() {
    local pids
    mapfile -t pids <"$SB_CG/agent/cgroup.procs"
    ((${#pids[@]} == 0)) || kill -KILL "${pids[@]}" 2>/dev/null
    ((${#pids[@]} == 0))
}
check "nothing of the agent runs" until_true 10 agent_is_gone
every EPERM "agent dead" vm "$PORT"
every kept "agent dead, another port" vm "$((PORT + 1))"
sandbox_done
