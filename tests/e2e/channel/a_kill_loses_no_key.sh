#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# The keeper is killed outright between the issue of a key and its use, a little
# later each round (MSP_ROUNDS of them). A key the host has latched is never
# lost: the simulator gives it out no second time, so a delegate without it
# would stay without one. No file is ever half.
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"

ROUNDS=${MSP_ROUNDS:-20}
LONGEST_MS=300

reset() {
    incarnation=$((incarnation + 1))
    sim_scenario "{\"incarnation\":$incarnation,\"rules\":$GUARDED,
        \"key\":[{\"delay_ms\":20}],\"attest\":[{\"delay_ms\":20}]}"
}

# Files that are no whole key of their own name.
half_files() {
    local file
    for file in "$SB_DIR/state/keys"/*.key; do
        jq -e --arg name "$(basename "$file" .key)" '.guid == $name and
            (.key | test("^[0-9A-F]{64}$"))' "$file" >/dev/null 2>&1 ||
            echo "$file"
    done
}

is_whole() {
    has_key && [[ $(of .key.guid) == "$(latched)" ]] &&
        [[ $(of .channel.incarnation) == "$incarnation" ]] &&
        [[ $(of .channel.failing) == false ]]
}

one_round() {
    local delay_ms=$1 keeper line fd
    keeper=$(child_pid mspd-keeper | head -n 1)
    exec {fd}< <(exec python3 "$MSP_SOURCE/tests/e2e/channel/killer.py" \
        "$SB_DIR/journal" "$keeper" "$delay_ms")
    read -r -t 20 -u "$fd" line
    reset
    read -r -t 40 -u "$fd" line || die "round $i: the keeper was not killed"
    exec {fd}<&-
    at[$line]=$((${at[$line]:-0} + 1))
    [[ -z $(half_files) ]] || not_ok "round $i: half a file" "$(half_files)"
    # a new mspd, for the keeper's next start would wait longer each time
    sandbox_stop_mspd KILL
    start_channel
    until_true 20 is_whole || not_ok "round $i, $line, $delay_ms ms: the key" \
        "$(of '.channel,.key')" "latched: $(latched)"
    [[ -z $(find "$SB_DIR/state/keys" -name '*.tmp') ]] ||
        not_ok "round $i: a temporary file stays"
}

sandbox_up
incarnation=1
declare -A at
sim_scenario "{\"rules\":$GUARDED}"
sandbox_start_sim
start_channel
push_policy "$(policy "$(item enforce allow)")"
check "a key is latched" until_true 10 has_key
for ((i = 0; i < ROUNDS; i++)); do
    one_round $((i * i * LONGEST_MS / ((ROUNDS - 1) * (ROUNDS - 1))))
done
note "killed before the latch: ${at[issued]:-0}, after: ${at[latched]:-0}"
check_eq "every round was one" $((${at[issued]:-0} + ${at[latched]:-0})) \
    "$ROUNDS"
check "some kills came before the latch" test "${at[issued]:-0}" -gt 0
check "some came after it" test "${at[latched]:-0}" -gt 0
check_eq "at the end there is a key that the host latched" \
    "$(of .key.guid)" "$(latched)"
check "and the user is served" until_true 10 is_served
check_eq "no file is half" "$(half_files)" ""
check_eq "nothing went out unsigned" "$(theirs '.signed != "valid"')" 0
sandbox_done
