#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# mspd --guard with --secure-channel: what root can do to the key store and to
# the directory of local rule files without the guard, it cannot while that is
# locked, and the keeper goes on in both: a key that is latched meanwhile is
# stored, a policy that is read stays in force. A token unlocks.
#
# For a VM that ends with it: a locked guard cannot be cleaned up after.
# shellcheck source=SCRIPTDIR/../channel/common.sh
. "$(dirname "$0")/../channel/common.sh"
. "$(dirname "$0")/../../harness/unlock.sh"

PHASE=off # what an attack must come to: off = ok, locked = EPERM

# Whatever happened: what the sandbox made must go.
guard_down() {
    local status=$?
    ctl unlock --token "$SB_DIR/good.token" >/dev/null 2>&1
    (exit "$status")
    sandbox_down
}

# attack NAME PATH CLAIM
attack() {
    local wanted=ok
    [[ $PHASE == off ]] || wanted=EPERM
    check_eq "$PHASE: $3" "$(printf '%s %s\n' "$1" "$2" |
        "$SB_DIR/bin/attack")" "$wanted"
}

# Each undoes what it did; the key is the one in use.
attacks() {
    local keys=$SB_DIR/state/keys file
    file=$keys/$(of .key.guid).key
    attack write "$file" "writing the key file"
    attack truncate "$file" "cutting the key file"
    attack chmod "$file" "chmod of the key file"
    attack hard-link "$file" "another name for the key file"
    attack rename "$file" "renaming the key file"
    attack mount-file-over "$file" "mounting over the key file"
    attack rename "$keys/latched" "renaming the note of which is in use"
    attack create "$keys" "a file beside the keys"
    attack mkdir "$keys" "a directory beside them"
    attack symlink "$keys" "a link beside them"
    attack chmod "$keys" "chmod of the key store"
    attack rename "$keys" "renaming the key store"
    attack mount-over "$keys" "mounting over the key store"
    attack write "$RULES/IMDS_Rules.json" "writing a rule file"
    attack truncate "$RULES/IMDS_Rules.json" "cutting a rule file"
    attack rename "$RULES/IMDS_Rules.json" "renaming a rule file"
    attack create "$RULES" "a rule file beside it"
    attack mount-over "$RULES" "mounting over the rule files"
}

is_whole() {
    has_key && [[ $(of .key.guid) == "$(latched)" ]] &&
        [[ $(of .channel.incarnation) == "$1" ]] &&
        [[ $(of .channel.failing) == false ]]
}

# scenario INCARNATION: the host's rules ask for the local file
scenario() {
    printf '{"incarnation":%s,"rules":{"imds":{"mode":"enforce",
        "defaultAccess":"deny","id":"%s"}}}' "$1" \
        "$(printf '{"id":"p","useLocalFileRules":true}' | base64 -w 0)"
}

# put TEXT: as an editor does
put() {
    printf '%s\n' "$1" >"$RULES/.new" &&
        mv "$RULES/.new" "$RULES/IMDS_Rules.json"
}

start() {
    start_host --local-rules "$RULES" "$@"
}

sandbox_up
trap guard_down EXIT
RULES=$SB_DIR/rules
mkdir -m 0700 "$RULES"
unlock_keys
token 3600 >"$SB_DIR/good.token"
put '{"defaultAccess":"allow"}'
sim_scenario "$(scenario 1)"
sandbox_start_sim
sim_mode wireserver=off hostga=off
start
check "off: a key is latched" until_true 20 is_whole 1
check "off: the local file counts" until_true 20 is_served
attacks
check "off: the user is served still" until_true 20 is_served
sandbox_stop_mspd

start --guard --guard-key "$SB_DIR/unlock.pub"
check_eq "the guard" "$(of .guard.state)" locked
check "locked: the key" until_true 20 is_whole 1
PHASE=locked
attacks
check "locked: root cannot change a rule file" \
    eval "! put '{\"defaultAccess\":\"deny\"}'"
check "locked: the user is served" until_true 20 is_served
sim_scenario "$(scenario 2)"
check "locked: a reset, and the new key is stored" until_true 20 is_whole 2
check "locked: the file is there" \
    test -s "$SB_DIR/state/keys/$(latched).key"
check_eq "locked: and noted" "$(cat "$SB_DIR/state/keys/latched")" "$(latched)"
attacks
check "locked: the user is served by it" until_true 20 is_served
check "unlock" ctl unlock --token "$SB_DIR/good.token"
put '{"defaultAccess":"deny"}'
is_denied() {
    [[ $(versions) == EPERM ]]
}
check "unlocked: a rule file is changed, and counts" until_true 20 is_denied
PHASE=off
attacks
check "detach" ctl detach --yes
sandbox_done
