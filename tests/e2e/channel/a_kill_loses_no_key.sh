#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# The keeper is killed outright at random points between the reset of a latch
# and the use of the new key: while it polls, acquires, stores, attests and hands
# on. A key the host has latched is never lost: the simulator gives it out no
# second time, so a delegate without it would stay without one. No file is ever
# half, and each time service returns, from the same mspd or from a new one.
# MSP_ROUNDS=200 for the whole, MSP_SEED for the points of an earlier run.
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"

ROUNDS=${MSP_ROUNDS:-40}
SEED=${MSP_SEED:-$((EPOCHSECONDS % 32768))}
# an event of the host's, and at most so many ms after it: the polls are up to
# 750 ms apart, each answer takes 20 ms, what is left is mspd's
FROM=(reloaded issued latched)
SPAN_MS=(800 60 40)

reset() {
    incarnation=$((incarnation + 1))
    sim_scenario "{\"incarnation\":$incarnation,\"rules\":$GUARDED,
        \"key\":[{\"delay_ms\":20}],\"attest\":[{\"delay_ms\":20}]}"
}

# Files that are no whole key of their own name, and a note of another kind. The
# next keeper may be taking the oldest away.
half_files() {
    local file
    for file in "$SB_DIR/state/keys"/*.key; do
        jq -e --arg name "$(basename "$file" .key)" '.guid == $name and
            (.key | test("^[0-9A-F]{64}$"))' "$file" >/dev/null 2>&1 ||
            [[ ! -e $file ]] || echo "$file"
    done
    file=$SB_DIR/state/keys/latched
    [[ ! -e $file || -e $SB_DIR/state/keys/$(<"$file").key ]] || echo "$file"
}

is_whole() {
    has_key && [[ $(of .key.guid) == "$(latched)" ]] &&
        [[ $(of .channel.incarnation) == "$incarnation" ]] &&
        [[ $(of .channel.failing) == false ]]
}

has_keeper_but() {
    local pid
    pid=$(child_pid mspd-keeper | head -n 1)
    [[ $pid && $pid != "$1" ]]
}

one_round() {
    local from=$((RANDOM % 3)) delay_ms keeper line fd half
    delay_ms=$((RANDOM % SPAN_MS[from]))
    keeper=$(child_pid mspd-keeper | head -n 1)
    exec {fd}< <(exec python3 "$MSP_SOURCE/tests/e2e/channel/killer.py" \
        "$SB_DIR/journal" "$keeper" "${FROM[from]}" "$delay_ms")
    read -r -t 60 -u "$fd" line || die "round $i: no killer"
    reset
    read -r -t 120 -u "$fd" line || die "round $i: the keeper was not killed"
    exec {fd}<&-
    at[$line]=$((${at[$line]:-0} + 1))
    half=$(half_files)
    [[ -z $half ]] || not_ok "round $i: half a file" "$half"
    if ((i % 2)); then
        # and the next rounds' keepers are not held back ever longer
        sandbox_stop_mspd KILL
        start_channel
    else
        until_true 20 has_keeper_but "$keeper" ||
            not_ok "round $i: no other keeper"
    fi
    until_true 20 is_whole || not_ok \
        "round $i, ${FROM[from]} and $delay_ms ms, $line: the key" \
        "$(of '.channel,.key')" "latched: $(latched)"
    until_true 20 is_served || not_ok "round $i, $line: nobody is served"
    [[ -z $(find "$SB_DIR/state/keys" -name '*.tmp') ]] ||
        not_ok "round $i: a temporary file stays"
}

sandbox_up
note "seed $SEED, $ROUNDS rounds"
RANDOM=$SEED
incarnation=1
declare -A at
sim_scenario "{\"rules\":$GUARDED}"
sandbox_start_sim
start_channel
push_policy "$(policy "$(item enforce allow)")"
check "a key is latched" until_true 10 has_key
for ((i = 0; i < ROUNDS; i++)); do
    one_round
done
note "killed before a key was issued: ${at[asked]:-0}, before it was latched:" \
    "${at[issued]:-0}, after: ${at[latched]:-0}"
check_eq "every round was one" \
    $((${at[asked]:-0} + ${at[issued]:-0} + ${at[latched]:-0})) "$ROUNDS"
check "some kills came before a key" test "${at[asked]:-0}" -gt 0
check "some came between key and latch" test "${at[issued]:-0}" -gt 0
check "some came after the latch" test "${at[latched]:-0}" -gt 0
check_eq "at the end there is a key that the host latched" \
    "$(of .key.guid)" "$(latched)"
check_eq "no file is half" "$(half_files)" ""
check_eq "nothing went out unsigned" "$(theirs '.signed != "valid"')" 0
sandbox_done
