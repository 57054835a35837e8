#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# Many namespaces, eight at work at a time, in each of which the first process
# connects before anything sleeps: all are served, also while mspd is stopped
# for half a second again and again. Stopped for 5 s it serves nobody, and goes
# on as before. MSP_NAMESPACES says how many (100).
. "$(dirname "$0")/../../harness/sandbox.sh"
. "$(dirname "$0")/common.sh"

COUNT=${MSP_NAMESPACES:-100}
STOPPED=0.5 # s

times() {
    note "$1: $(jq -r '"slowest \(.slowest_ms) ms, median \(.median_ms) ms"' \
        "$SB_DIR/tmp/$2"), load $(cut -d' ' -f1 /proc/loadavg)"
}

sandbox_up
sandbox_start_sim
sandbox_start_mspd
each=$SB_CG/work/each
mkdir "$each"
allow_user
journal_mark
check_eq "$COUNT, agent idle" \
    "$(crowd -p 8 -c "$each" "$IMDS:80" "$COUNT")" "$COUNT x 200"
times "agent idle" crowd
check_eq "the host saw each signed" \
    "$(journal_count '.signed == "valid"')/$(journal_count)" "$COUNT/$COUNT"

# What is waited for here is time itself.
journal_mark
background held -p 8 -c "$each" "$IMDS:80" "$COUNT"
crowd_pid=$SB_LAST
stops=0
while kill -0 "$crowd_pid" 2>/dev/null; do
    kill -STOP "$SB_MSPD"
    sleep "$STOPPED"
    kill -CONT "$SB_MSPD"
    stops=$((stops + 1))
    sleep "$STOPPED"
done
wait "$crowd_pid"
check_eq "$COUNT, mspd stopped for $STOPPED s $stops times" \
    "$(results_of held)" "$COUNT x 200"
times "mspd stopped" held
check_eq "the host saw each signed" \
    "$(journal_count '.signed == "valid"')/$(journal_count)" "$COUNT/$COUNT"

journal_mark
kill -STOP "$SB_MSPD"
background down -p 8 -c "$each" "$IMDS:80" 16
sleep 5
kill -CONT "$SB_MSPD"
wait "$SB_LAST"
check "stopped for 5 s: the first eight are not served, $(results_of down)" \
    test "$(jq '.results.ETIMEDOUT // 0' "$SB_DIR/tmp/down")" -ge 8
check_eq "nothing was ever unsigned" "$(journal_count '.signed != "valid"')" 0
check_eq "then it serves as before" \
    "$(crowd -p 8 -c "$each" "$IMDS:80" 16)" "16 x 200"
check "all listeners go with their namespaces" until_true 60 has_listeners 1
check_eq "and so do their rows" "$(rows)" 1xREADY
sandbox_done
