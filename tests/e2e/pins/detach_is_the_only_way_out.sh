#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# Stopped or killed, mspd leaves everything in force. mspctl detach --yes, with
# mspd or without it, leaves nothing: no program at the cgroup, no pin, and a
# connection goes out as if mspd had never been.
. "$(dirname "$0")/../../harness/sandbox.sh"

USER=2001:3001
URL=http://$IMDS/metadata/versions

# bpftool prints nothing at all for none.
attached() {
    bpftool -j cgroup show "$SB_CG" | jq -s 'flatten | length'
}

# The kernel's own two files are in every bpffs.
pinned() {
    find "$SB_DIR/bpf" -mindepth 1 ! -name '*.debug' | wc -l
}

is_detached() {
    [[ $(attached) == 0 ]]
}

code() {
    SB_MAX_TIME=2 http_code "$USER" vm "$URL"
}

# expect CODE CLAIM COMMAND...
expect() {
    local want=$1 claim=$2 got
    shift 2
    "$@" >"$SB_DIR/out" 2>"$SB_DIR/err"
    got=$?
    check_eq "$claim: exit $want" "$got" "$want"
}

agent_is_gone() {
    local pids
    mapfile -t pids <"$SB_CG/agent/cgroup.procs"
    ((${#pids[@]} == 0)) || kill -KILL "${pids[@]}"
    ((${#pids[@]} == 0))
}

all_gone() {
    check_eq "$1: no program is attached" "$(attached)" 0
    check_eq "$1: nothing is pinned" "$(pinned)" 0
    journal_mark
    check_eq "$1: a connection goes out" "$(code)" 200
    check_eq "$1: directly, unsigned" "$(journal_count '.signed == "none"')" 1
}

is_agent_gone() {
    [[ -z $(<"$SB_CG/agent/cgroup.procs") ]]
}

sandbox_up
sandbox_start_sim
sim_mode imds=off
sandbox_start_mspd
push_policy "$(policy "$(item enforce deny)")"
check_eq "denied" "$(code)" EPERM
check "programs are attached" test "$(attached)" -ge 8

expect 2 "detach without --yes" ctl detach
check "it says what would happen" grep -q 'ends all enforcement' "$SB_DIR/err"
check_eq "still denied" "$(code)" EPERM
expect 2 "detach of another directory" ctl detach --yes --pin-dir /sys/fs/bpf
check_eq "denied as before" "$(code)" EPERM

expect 0 "detach --yes" ctl --json detach --yes
check_eq "it says so" "$(jq -r .detached "$SB_DIR/out")" true
wait "$SB_MSPD"
check_eq "mspd ended with status 0" "$?" 0
check "its children ended" until_true 10 is_agent_gone
all_gone "detached"

sandbox_start_mspd
check_eq "started again: the stored policy denies" "$(code)" EPERM
sandbox_stop_mspd
check_eq "stopped: still denied" "$(code)" EPERM
sandbox_start_mspd
sandbox_stop_mspd KILL
check "killed" until_true 10 agent_is_gone
check_eq "killed: still denied" "$(code)" EPERM

expect 3 "no mspd, no directory" ctl detach --yes
check "it names the option" grep -q -- --pin-dir "$SB_DIR/err"
expect 2 "without --yes" ctl detach --pin-dir "$SB_DIR/bpf/mspd"
expect 2 "a directory that is no bpffs" ctl detach --yes --pin-dir "$SB_DIR/state"
check "nothing there was touched" test -e "$SB_DIR/state/policy.image"
expect 2 "a bpffs without pins of ours" ctl detach --yes --pin-dir "$SB_DIR/bpf"
check_eq "denied after all that" "$(code)" EPERM
expect 0 "detach --yes --pin-dir" ctl detach --yes \
    --pin-dir "$SB_DIR/bpf/mspd"
check "programs go" until_true 10 is_detached
all_gone "detached without mspd"
sandbox_done
