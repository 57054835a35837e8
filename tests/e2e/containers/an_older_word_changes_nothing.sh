#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# Who tells of a container may come late: a hook of one that ended, when another
# has its id by now; a file of the spool, when its container was registered anew
# since; an agent, when another cgroup has the path. None of it changes what is
# known of the container that is there.
. "$(dirname "$0")/../../harness/sandbox.sh"

known() {
    ctl --json container list |
        jq -r '.container[] | "\(.id) \(.name)"' | paste -sd,
}

now_ns() {
    python3 -c 'import time; print(time.clock_gettime_ns(time.CLOCK_MONOTONIC))'
}

# spool NAME [FIELD...]: as a hook that found nobody leaves it
spool() {
    local id name=$1
    shift
    id=$(stat -c %i "$SB_CG/a")
    printf '%s\n' "scgroup=$BASE/a" "sid=one" "sname=$name" "ucgroup_id=$id" \
        "$@" "" >"$SPOOL/.new"
    chmod 600 "$SPOOL/.new"
    mv "$SPOOL/.new" "$SPOOL/$(printf '%016x' "$id")"
}

is_read() {
    [[ -z $(ls "$SPOOL") ]]
}

# poststop ID: what a runtime says when it has deleted a container
poststop() {
    printf '{"ociVersion":"1.0.2","id":"%s","status":"stopped",
        "bundle":"%s"}' "$1" "$SB_DIR/tmp" |
        ctl oci-hook --remove --spool "$SPOOL" --strict
}

sandbox_up
BASE=/${SB_CG##*/}
SPOOL=$SB_DIR/run/spool
mkdir "$SB_CG/a"
sandbox_start_sim
sandbox_start_mspd
(exec_in "$SB_CG/a" sleep 1000) &
inside=$!
SB_PIDS+=("$inside")
until_true 5 grep -qx "$inside" "$SB_CG/a/cgroup.procs"

# --- the end of one of the same id
check "registered" ctl container set --cgroup "$BASE/a" --id one --name new
said=$(poststop one 2>&1)
check_eq "the hook of another with its id, that ended, is refused" $? 1
check "and told why" grep -q "still has processes" <<<"$said"
check_eq "who is there stays" "$(known)" "one new"

# --- the spool
before=$(now_ns)
check "told again" ctl container set --cgroup "$BASE/a" --id one --name new
spool old "utold_ns=$before"
check "a file of the spool that was told before is read" until_true 5 is_read
check_eq "and changes nothing" "$(known)" "one new"
spool undated
check "one that does not say when" until_true 5 is_read
check_eq "does not either" "$(known)" "one new"
sandbox_stop_mspd
spool old "utold_ns=$before"
sandbox_start_mspd
check "nor with a new mspd" until_true 5 is_read
check_eq "that knows it from its file" "$(known)" "one new"
spool newer "utold_ns=$(now_ns)"
check "one told later" until_true 5 is_read
check_eq "is what is known now" "$(known)" "one newer"
check "and goes" ctl container remove --id one
spool first
check "of one nobody knows" until_true 5 is_read
check_eq "the first word counts" "$(known)" "one first"

# --- the cgroup that is meant
id=$(stat -c %i "$SB_CG/a")
for verb in add set update; do
    ctl container "$verb" --cgroup "$BASE/a" --id one --name "$verb" \
        --cgroup-id $((id + 1)) >/dev/null 2>&1
    check_eq "$verb: another cgroup has the path: refused" $? 1
    check_eq "$verb: nothing has changed" "$(known)" "one first"
done
for verb in set update; do
    check "$verb: the one that is meant" ctl container "$verb" \
        --cgroup "$BASE/a" --id one --name "$verb" --cgroup-id "$id"
    check_eq "$verb: is it" "$(known)" "one $verb"
done
ctl container remove --cgroup "$BASE/a" --cgroup-id $((id + 1)) >/dev/null 2>&1
check_eq "remove: another one" $? 1
ctl container set --cgroup "$BASE/a" --cgroup-id 0x1f >/dev/null 2>&1
check_eq "no number" $? 2
check "remove: the one that is meant" ctl container remove --cgroup "$BASE/a" \
    --cgroup-id "$id"
check "add: the one that is meant" ctl container add --cgroup "$BASE/a" \
    --id one --name new --cgroup-id "$id"

# --- really ended, with mspd and without
kill -KILL "$inside"
wait "$inside" 2>/dev/null
check "the hook of the one that ended" poststop one
check_eq "takes it away" "$(known)" ""
sandbox_stop_mspd
(exec_in "$SB_CG/a" sleep 1000) &
inside=$!
SB_PIDS+=("$inside")
until_true 5 grep -qx "$inside" "$SB_CG/a/cgroup.procs"
spool waits
check "without mspd: of another with its id" poststop one
check "leaves who is there" test -n "$(ls "$SPOOL")"
kill -KILL "$inside"
wait "$inside" 2>/dev/null
check "of the one that ended" poststop one
check "takes it away" is_read
sandbox_done
