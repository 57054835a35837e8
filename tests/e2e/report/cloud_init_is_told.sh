#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# azure-proxy-agent --status [--wait N], as cloud-init calls it: 0 once programs,
# key and listener are there, or the host wants no key; 1 before, and without an
# mspd; 2 with the reasons where it is not there in time (120 s, here 20).
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"

agent() {
    "$SB_DIR/bin/azure-proxy-agent" --socket "$SB_DIR/run/control.sock" "$@" \
        >"$SB_DIR/agent.out" 2>"$SB_DIR/agent.err"
}

# code [OPTION...]: what --status exits with
code() {
    agent --status "$@"
    echo $?
}

is_code() {
    [[ $(code) == "$1" ]]
}

sandbox_up
ln -s mspctl "$SB_DIR/bin/azure-proxy-agent"
check_eq "no mspd: not yet" "$(code)" 1
check "no mspd: it is said" grep -q 'mspd is not running' "$SB_DIR/agent.err"
check_eq "no mspd: nothing on standard output" "$(<"$SB_DIR/agent.out")" ""
check_eq "no mspd: still not after a wait" "$(code --wait 1)" 1

sim_scenario "{\"rules\":$GUARDED}"
(agent --status --wait 60) &
waiting=$!
SB_PIDS+=("$waiting")
start_reporting --channel-scale 6
check_eq "no host yet: not ready" "$(code)" 1
check "no host yet: why" grep -q '^keyLatchStatus - ' "$SB_DIR/agent.err"
check "who waits still does" kill -0 "$waiting"
sandbox_start_sim
wait "$waiting"
check_eq "who waits is told when it is ready" $? 0
check "and it is: a user is served" until_true 10 is_served
check_eq "ready: at once" "$(code --wait 60)" 0
check_eq "ready: nothing is said" "$(cat "$SB_DIR/agent.out" "$SB_DIR/agent.err")" ""
check_eq "somebody else may not ask" \
    "$(run_as 2001:3001 vm "$SB_DIR/bin/azure-proxy-agent" --status --wait 60 \
        --socket "$SB_DIR/run/control.sock" 2>&1; echo $?)" \
    "azure-proxy-agent: $SB_DIR/run/control.sock: only root may ask mspd: Permission denied
1"

sim_scenario '{"enabled":false}'
check "disabled: no key" until_true 10 is_state disabled
check_eq "disabled: ready" "$(code)" 0
sandbox_stop_mspd
check_eq "stopped: not ready" "$(code)" 1

kill -TERM "$SB_SIM"
wait "$SB_SIM"
SB_SIM=''
rm -rf "$SB_DIR/state"
mkdir "$SB_DIR/state"
sim_scenario "{\"rules\":$GUARDED}"
start_reporting --channel-scale 6
check_eq "no host at start: not ready" "$(code)" 1
check "no host for long: it failed" until_true 40 is_code 2
check "and why, a line for each part, CR LF" \
    grep -Pq '^keyLatchStatus - .*\r$' "$SB_DIR/agent.out"
check_eq "only that part" "$(wc -l <"$SB_DIR/agent.out")" 1
sandbox_start_sim
check "the host comes late: ready" until_true 20 is_code 0
kill -STOP "$(child_pid mspd-proxy)"
check_eq "a proxy that is held: not ready" "$(code)" 2
check "and why" grep -q '^proxyListenerStatus - ' "$SB_DIR/agent.out"
kill -CONT "$(child_pid mspd-proxy)"
check_eq "it goes on: ready" "$(code)" 0
sandbox_done
