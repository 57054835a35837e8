#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# Tier "lsm", where the kernel takes it: programs are pinned, outlive mspd, are
# exchanged by its next start and gone with --lsm=off, detach or a first start
# that fails. When kernel.ftrace_enabled=0 ends their calls, status says so
# within seconds, and when they are called again as well.
. "$(dirname "$0")/../../harness/sandbox.sh"

FTRACE=/proc/sys/kernel/ftrace_enabled
WAIT=$((5 * ${MSP_SLOW:-1}))

status() {
    ctl --json status | jq -r "$1"
}

is() {
    [[ $(status "$1") == "$2" ]]
}

# ids of the LSM programs in force, by their pins
running() {
    local link
    for link in "$SB_DIR"/bpf/mspd/layout-*/links/msp_l_*; do
        [[ ! -e $link ]] ||
            bpftool -j link show pinned "$link" | jq -r .prog_id
    done | xargs
}

count() {
    wc -w <<<"$1"
}

# sandbox_down takes the status of the command before it for the test's
restore() {
    local status=$?
    echo 1 >"$FTRACE"
    (exit "$status")
    sandbox_down
}

sandbox_up
trap restore EXIT
sandbox_start_sim
sandbox_start_mspd --lsm require
push_policy "$(policy "$(item enforce deny)")"
check_eq "require: the tier" "$(status .tier)" lsm
check_eq "the canary lives" "$(status .lsm.canary)" called
check_eq "every program is attached" "$(status \
    '[.lsm_programs[] | select(.state != "off") | .state] | unique | join(",")')" \
    attached
check_eq "status is ok" "$(status '.state + (.reasons // [] | tostring)')" "ok[]"
first=$(running)
n=$(status '[.lsm_programs[] | select(.state == "attached")] | length')
check_eq "each has its pin" "$(count "$first")" "$n"

sandbox_stop_mspd KILL
check_eq "killed: they stay" "$(running)" "$first"
sandbox_start_mspd
second=$(running)
check_eq "started again: the tier" "$(status .tier)" lsm
check_eq "as many are pinned" "$(count "$second")" "$n"
check "but others" test "$first" != "$second"
for id in $first; do
    check "the one before is gone: $id" until_true 10 \
        eval "! bpftool prog show id $id"
done
check_eq "no pin is half made" \
    "$(find "$SB_DIR/bpf" -path '*/links/*-new' | wc -l)" 0

echo 0 >"$FTRACE"
check "off: the tier is no longer lsm" until_true "$WAIT" is .tier cgroup
check_eq "the canary is silent" "$(status .lsm.canary)" "not called"
check_eq "the state" "$(status .state)" degraded
check "the reason names it" grep -q ftrace_enabled \
    <(status '.reasons[].text')
check "the text as well" grep -q ftrace_enabled <(ctl status)
check "and the log" grep -q '<3>lsm.silent.*ftrace_enabled' "$SB_DIR/mspd.log"
check_eq "connects are judged as before" \
    "$(http_code 2001:3001 vm "http://$IMDS/metadata/versions")" EPERM
echo 1 >"$FTRACE"
check "on again: the tier is lsm" until_true "$WAIT" is .tier lsm
check_eq "the state is ok" "$(status .state)" ok
check "and the log says so" grep -q lsm.called "$SB_DIR/mspd.log"

sandbox_stop_mspd
echo 0 >"$FTRACE"
(exec_in "$SB_CG/agent" timeout 100 nsenter --net="$SB_DIR/ns/vm" -- \
    "$SB_DIR/bin/mspd" --cgroup "$SB_CG" --pin-dir "$SB_DIR/bpf/mspd" \
    --run-dir "$SB_DIR/run" --state-dir "$SB_DIR/state" --log-dir \
    "$SB_DIR/log" --libexec-dir "$SB_DIR/bin" --lsm require \
    2>"$SB_DIR/said.log")
check_eq "require, and they are not called: exit code" "$?" 5
check "it says so" grep -q 'does not call LSM programs' "$SB_DIR/said.log"
check_eq "what was in force is" "$(running)" "$second"
echo 1 >"$FTRACE"

sandbox_start_mspd --lsm off
check_eq "off: the tier" "$(status .tier)" cgroup
check_eq "their pins are gone" "$(running)" ""
sandbox_stop_mspd
sandbox_start_mspd
check_eq "auto: the tier" "$(status .tier)" lsm
third=$(running)
check "mspctl detach" ctl detach --yes
for id in $third; do
    check "detached: $id" until_true 10 eval "! bpftool prog show id $id"
done

# somebody else's program, beside which none of ours may be
wait "$SB_MSPD" 2>/dev/null
mkdir "$SB_DIR/bpf/foreign"
bpftool prog loadall "$MSP_BUILD/bin/tests/foreign.bpf" "$SB_DIR/bpf/foreign" ||
    die "the program of somebody else does not load"
bpftool cgroup attach "$SB_CG" cgroup_inet4_connect pinned \
    "$SB_DIR/bpf/foreign/vip_connect4" || die "attach"
(sandbox_start_mspd) >"$SB_DIR/out" 2>&1
check "excluded: it does not start" grep -q start.attach "$SB_DIR/mspd.log"
check_eq "and leaves nothing in force" "$(running)" ""
sandbox_done
