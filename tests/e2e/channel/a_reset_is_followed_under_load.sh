#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# The host resets its latch again and again while clients ask all the time. In
# between there are 401s, since only the new key counts; but no request goes out
# unsigned, and no signature is made with another key than the one it names.
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"

RESETS=8

# $1 names a client, $2 is new or keep
ask_on() {
    spawn_as "$USER" vm python3 "$MSP_SOURCE/tests/e2e/load/steady.py" \
        "$1" "$IMDS:80" /metadata/versions "$2" "$SB_DIR/tmp/asking" 2 \
        >"$SB_DIR/tmp/$1.out"
    clients+=("$SB_LAST")
}

has_new_key() {
    [[ $(of .key.guid) == "$(latched)" && $(latched) != "$1" ]]
}

has_valid() {
    (($(theirs '.signed == "valid" and .guid == "'"$1"'"') >= 20))
}

sandbox_up
sim_scenario "{\"rules\":$GUARDED}"
sandbox_start_sim
start_channel
push_policy "$(policy "$(item enforce allow)")"
check "a key is latched" until_true 10 has_key
check "the user is served" until_true 10 is_served
journal_mark
touch "$SB_DIR/tmp/asking"
clients=()
ask_on one new
ask_on two new
ask_on three keep
for ((i = 2; i <= RESETS + 1; i++)); do
    before=$(latched)
    sim_scenario "{\"incarnation\":$i,\"rules\":$GUARDED}"
    until_true 10 has_new_key "$before" ||
        not_ok "reset $i: a new key" "$(of '.channel,.key')"
    until_true 20 has_valid "$(latched)" ||
        not_ok "reset $i: requests signed with it" "$(of '.channel,.key')"
done
rm "$SB_DIR/tmp/asking"
for client in "${clients[@]}"; do
    wait "$client"
done
check_eq "every reset made a key" \
    "$(jq -c 'select(.event == "latched")' "$SB_DIR/journal" | wc -l)" \
    $((RESETS + 1))
check_eq "no request went out unsigned" "$(theirs '.signed == "none"')" 0
check_eq "what the host refused named a key it had reset" \
    "$(journal | jq -r 'select(.signed == "bad") | .why' | sort -u)" \
    "$(theirs '.signed == "bad"' | grep -q '^0$' ||
        echo 'authorization: other key id')"
check_eq "every key that was named was latched once" \
    "$(comm -23 <(journal | jq -r 'select(.guid != "") | .guid' | sort -u) \
        <(jq -r 'select(.event == "issued") | .guid' "$SB_DIR/journal" |
            sort -u))" ""
note "$(theirs '.signed == "valid"') signed, $(theirs '.signed == "bad"')" \
    "with a key that was reset meanwhile"
check_eq "clients got 200, or the host's 401" \
    "$(jq -r .result "$SB_DIR"/tmp/{one,two,three}.out | sort -u |
        grep -vx -e 200 -e 401)" ""
sandbox_done
