#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# mspd --guard with --secure-channel: what root can do to the key store, the
# stored policies, the local rule files and the report without the guard, it
# cannot while that is locked. The keeper and mspd go on in all of them: a key
# latched meanwhile and a policy of the host are stored, local rule files are
# read, reports written; another start of the same mspd finds them. A token
# unlocks.
#
# For a VM that ends with it: a locked guard cannot be cleaned up after.
# shellcheck source=SCRIPTDIR/../channel/common.sh
. "$(dirname "$0")/../channel/common.sh"
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"

# --- attacks -----------------------------------------------------------------

key_rows() {
    local keys=$SB_DIR/state/keys file
    file=$keys/$(latched).key
    row EPERM read "$file" "reading the key"
    row EPERM read "$keys" "listing the keys"
    row EPERM write "$file" "writing the key"
    row EPERM truncate "$file" "cutting the key"
    row EPERM chmod "$file" "chmod of the key"
    row EPERM rename "$file" "renaming the key"
    row EPERM hard-link "$file" "another name beside the key"
    row EPERM mount-file-over "$file" "mounting over the key"
    row EPERM write-by-link "$file" "writing the key by another name"
    row EPERM write-by-handle "$file" "writing the key by its handle"
    row EPERM write-by-overlay "$file" "writing the key by an overlay"
    row EPERM write "$keys/latched" "writing the note of the key in use"
    row EPERM rename "$keys/latched" "renaming it"
    row EPERM mount-file-over "$keys/latched" "mounting over it"
    row EPERM create "$keys" "a file beside the keys"
    row EPERM mkdir "$keys" "a directory beside the keys"
    row EPERM symlink "$keys" "a link beside the keys"
    row EPERM chmod "$keys" "chmod of the key store"
    row EPERM rename "$keys" "renaming the key store"
    row EPERM mount-over "$keys" "mounting over the key store"
}

policy_rows() {
    local file=$SB_DIR/state/policy.host.image
    row ok read "$file" "reading the stored policy"
    row EPERM write "$file" "writing the stored policy"
    row EPERM truncate "$file" "cutting the stored policy"
    row EPERM chmod "$file" "chmod of the stored policy"
    row EPERM change-flags "$file" "chattr of the stored policy"
    row EPERM change-version "$file" "the generation of the stored policy"
    row EPERM rename "$file" "renaming the stored policy"
    row EPERM mount-file-over "$file" "mounting over the stored policy"
    row EPERM write-by-link "$file" "writing it by another name"
    row EPERM write-by-handle "$file" "writing it by its handle"
    row EPERM write-by-overlay "$file" "writing it by an overlay"
}

rule_rows() {
    local file=$RULES/IMDS_Rules.json
    row ok read "$file" "reading a rule file"
    row EPERM write "$file" "writing a rule file"
    row EPERM truncate "$file" "cutting a rule file"
    row EPERM chmod "$file" "chmod of a rule file"
    row EPERM rename "$file" "renaming a rule file"
    row EPERM mount-file-over "$file" "mounting over a rule file"
    row EPERM write-by-link "$file" "writing a rule file by another name"
    row EPERM create "$RULES" "a file beside the rules"
    row EPERM chmod "$RULES" "chmod of the rules' directory"
    row EPERM rename "$RULES" "renaming the rules' directory"
    row EPERM mount-over "$RULES" "mounting over the rules"
}

report_rows() {
    row EPERM write "$REPORT/status.json" "writing the report"
    row EPERM rename "$REPORT/status.json" "renaming the report"
    row EPERM mount-file-over "$REPORT/status.json" "mounting over the report"
    row EPERM create "$REPORT" "a file beside the report"
    row EPERM rename "$REPORT" "renaming the report's directory"
}

attacks() {
    rows key_rows policy_rows rule_rows report_rows
}

# --- what goes on ---------------------------------------------------------------

# is_whole INCARNATION: the key the host latched is in use
is_whole() {
    has_key && [[ $(of .key.guid) == "$(latched)" ]] &&
        [[ $(of .channel.incarnation) == "$1" ]] &&
        [[ $(of .channel.failing) == false ]]
}

# scenario INCARNATION: the host's rules, called after it, ask for the file
scenario() {
    printf '{"incarnation":%s,"rules":{"imds":{"mode":"enforce",
        "defaultAccess":"deny","id":"%s"}}}' "$1" \
        "$(printf '{"id":"p%s","useLocalFileRules":true}' "$1" | base64 -w 0)"
}

# reports INCARNATION: both files, the key and the policy
reports() {
    jq -e --arg guid "$(latched)" --arg rule "p$1-" '
        .proxyAgentStatus.keyLatchStatus.states |
        .keyGuid == $guid and (.imdsRuleId | startswith($rule))' \
        "$REPORT/status.json" &&
        jq -e --arg guid "$(latched)" '.key.guid == $guid' \
            "$SB_DIR/run/status.json"
}

lines() {
    wc -l <"$REPORT/ProxyAgent.Connection.log"
}

has_lines() {
    (($(lines) > $1))
}

# put TEXT: as an editor does
put() {
    printf '%s\n' "$1" >"$RULES/.new" &&
        mv "$RULES/.new" "$RULES/IMDS_Rules.json"
}

is_denied() {
    [[ $(versions) == EPERM ]]
}

# Another directory at the path of the rules, by one above it, which is free.
other_rules() {
    mv "$SB_DIR/above" "$SB_DIR/away"
    mkdir -p "$RULES"
    put '{"defaultAccess":"deny"}'
}

own_rules() {
    rm -r "$SB_DIR/above"
    mv "$SB_DIR/away" "$SB_DIR/above"
}

refusals() {
    grep -c guard.refused "$SB_DIR/mspd.log"
}

has_refusals() {
    (($(refusals) > $1))
}

# mspd looks at the rules right after it has logged what was refused.
has_looked() {
    local before
    before=$(refusals)
    attempt write "$SB_DIR/unlock.pub" >/dev/null
    until_true 20 has_refusals "$before"
}

finds() {
    [[ $(of '.policy.digest, .key.guid') == "$1" ]]
}

is_locked() {
    [[ $(attempt write "$SB_DIR/state/policy.host.image") == EPERM ]]
}

# All of mspd is killed, and the host is away.
end_all() {
    kill -TERM "$SB_SIM"
    wait "$SB_SIM"
    SB_SIM=''
    mapfile -t pids < <(child_pid mspd-keeper; child_pid mspd-proxy)
    kill -KILL "$SB_MSPD" "${pids[@]}"
    wait "$SB_MSPD" 2>/dev/null
}

# --- the test --------------------------------------------------------------------

sandbox_up
trap guard_down EXIT
RULES=$SB_DIR/above/rules
REPORT=$SB_DIR/report
OPTIONS=(--local-rules "$RULES" --platform-status "$REPORT"
    --platform-log "$REPORT")
GUARD=(--guard --guard-key "$SB_DIR/unlock.pub")
MSPD=$SB_DIR/bin/mspd
BY_INIT=(--secure-channel --channel-scale 20)
mkdir -p "$RULES" "$SB_CG/agent2"
unlock_keys
token 3600 >"$SB_DIR/good.token"
put '{"defaultAccess":"allow"}'
sim_scenario "$(scenario 1)"
sandbox_start_sim
sim_mode wireserver=off hostga=off

start_host "${OPTIONS[@]}"
check "off: a key is latched" until_true 20 is_whole 1
check "off: the local file counts" until_true 20 is_served
check "off: it is reported" until_true 20 reports 1
attacks
other_rules
check "off: another directory's rules count" until_true 20 is_denied
own_rules
check "off: as before" until_true 20 is_served
sandbox_stop_mspd

start_host "${OPTIONS[@]}" "${GUARD[@]}"
check_eq "the guard" "$(of .guard.state)" locked
check "locked: the key" until_true 20 is_whole 1
check "locked: the user is served" until_true 20 is_served
PHASE=locked
attacks
other_rules
check "locked: mspd has looked" has_looked
check "locked: and again" has_looked
check "locked: another directory's rules do not count" is_served
check_eq "locked: its own do" "$(of .channel.local_imds)" merged
own_rules

was=$(lines)
stored=$(stat -c %i "$SB_DIR/state/policy.host.image")
sim_scenario "$(scenario 2)"
check "locked: a reset, and a new key is in use" until_true 20 is_whole 2
check "locked: it is on disk" test -s "$SB_DIR/state/keys/$(latched).key"
check "locked: the user is served by it" until_true 20 is_served
check "locked: reported with the new policy" until_true 20 reports 2
check "locked: that is stored" test "$stored" != \
    "$(stat -c %i "$SB_DIR/state/policy.host.image")"
check "locked: the log goes on" until_true 20 has_lines "$was"
attacks

# What was stored under the lock is what a start without the host finds.
before=$(of '.policy.digest, .key.guid')
token $((8 * ${MSP_SLOW:-1})) >"$SB_DIR/tmp/short"
check "unlock for seconds" ctl unlock --token "$SB_DIR/tmp/short"
end_all
check "it locks itself" until_true 60 is_locked
by_init "${OPTIONS[@]}" "${GUARD[@]}"
check "the same mspd takes it over" until_true 60 \
    said 'guard.locked.*taken over'
check "it finds policy and key, the host away" until_true 20 finds "$before"
sandbox_start_sim
check "the host is back: a key" until_true 20 is_whole 2
check "the host is back: the user is served" until_true 20 is_served
attacks

check "unlock" ctl unlock --token "$SB_DIR/good.token"
PHASE=off
attacks
check_eq "unlocked: the note is of the key in use" \
    "$(<"$SB_DIR/state/keys/latched")" "$(latched)"
put '{"defaultAccess":"deny"}'
check "unlocked: a rule file is changed, and counts" until_true 20 is_denied
check "detach" ctl detach --yes
sandbox_done
