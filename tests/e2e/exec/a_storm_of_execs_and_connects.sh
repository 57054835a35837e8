#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# Processes fork, vfork, exec and exec from threads without end, between an
# executable that has a right and one that has none, and connect all the time:
# nobody gets what is not his, nobody misses what is, no record stays behind.
. "$(dirname "$0")/../../harness/sandbox.sh"

CONNECTS=${MSP_STORM:-60000}
USER=1000:1000

# storm CONNECTS SECONDS
storm() {
    run_as "$USER" vm "$SB_DIR/bin/storm" "$IMDS:80" "$1" "$2" \
        "$SB_DIR/apps/allowed" "$SB_DIR/apps/denied" 2>&1
}

count() {
    jq "$1" <<<"$RESULT"
}

# Exec records there are, and processes that may have one.
records() {
    bpftool -j map dump pinned "$(echo "$SB_DIR"/bpf/mspd/layout-*/maps/msp_exec)" |
        jq length
}

few_records() {
    local n
    n=$(find "$SB_CG" -name cgroup.procs -exec cat {} + | wc -l)
    (($(records) <= n))
}

sandbox_up
mkdir "$SB_DIR/apps"
install -m 0755 "$SB_DIR/bin/storm" "$SB_DIR/apps/allowed"
install -m 0755 "$SB_DIR/bin/storm" "$SB_DIR/apps/denied"
sandbox_start_sim
sandbox_start_mspd

# Enforcement off: those without a right are connected and served.
sim_mode imds=off
push_policy "$(policy "$(item disabled deny)")"
journal_mark
RESULT=$(storm 600 30)
check "off: who has no right is connected" test "$(count .wrong.sum)" -gt 0
check "off: and served" \
    test "$(journal_count '.client_id == "storm-denied"')" -gt 0

sim_mode imds=enforce
push_policy "$(policy "$(item enforce deny \
    "$(rules /metadata/versions "\"exePath\":\"$SB_DIR/apps/allowed\"")")")"
journal_mark
began=$SECONDS
RESULT=$(storm "$CONNECTS" 240)
note "$((SECONDS - began)) s: $RESULT"
check "at least $CONNECTS connects were judged" test \
    "$(count '[.allowed, .denied] | map(.sum - .race) | add')" \
    -ge "$CONNECTS"
check_eq "no right was missing" "$(count .missing.sum)" 0
check_eq "no right was wrong" "$(count .wrong.sum)" 0
check_eq "no fork, thread or exec failed" "$(count .failed)" 0
for kind in allowed denied; do
    check "$kind: every way to become it was taken" test "$(count \
        ".$kind | del(.start, .sum) | [.[]] | min")" -gt 100
done
check "the right one was served all along" test "$(count .served)" -gt 100
check_eq "the host saw these, signed" "$(journal_count \
    '.client_id == "storm-allowed" and .signed == "valid" and .status == 200')" \
    "$(count .served)"
check_eq "and nothing of the other" \
    "$(journal_count '.client_id == "storm-denied"')" 0
check "no exec record outlives its process" until_true 5 few_records
check_eq "none found no room" "$(ctl --json status |
    jq '.stats[] | select(.name == "exec-dropped") | .value')" 0
sandbox_done
