#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# The host's policy may ask for local rule files. They count while it does and
# mspd has a directory for them, in the host's mode, and within two seconds: one
# that appears, changes, goes. One that may not be used, whatever is wrong with
# it, leaves the last good one, or denies where there was none, and is told.
# Neither a file nobody asked for nor a push weakens what the host enforces.
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"

OTHER=2002:3002
ROOT=0:0
RULES=
FILE=

# an item that asks for its file: asking MODE DEFAULT [RULES]
asking() {
    printf '{"mode":"%s","defaultAccess":"%s","id":"%s"%s}' "$1" "$2" \
        "$(printf '{"id":"p","useLocalFileRules":true}' | base64 -w 0)" \
        "${3:+,\"rules\":$3}"
}

# host_policy RULES
host_policy() {
    sim_scenario "{\"rules\":$1}"
}

# As an editor does: put TEXT [FILE]
put() {
    printf '%s\n' "$1" >"$RULES/.new"
    chmod 0600 "$RULES/.new"
    mv "$RULES/.new" "${2:-$FILE}"
}

get() {
    http_code "$1" vm "http://$IMDS/metadata/versions"
}

gets() {
    [[ $(get "$1") == "$2" ]]
}

# are CLAIM USER OTHER: what the two get of IMDS
are() {
    if until_true 10 gets "$USER" "$2" && until_true 10 gets "$OTHER" "$3"; then
        ok "$1"
    else
        not_ok "$1" "$(get "$USER") $(get "$OTHER")" "$(of '.channel,.policy')"
    fi
}

# is_use WORD [FIELD]
is_use() {
    [[ $(of ".channel.${2:-local_imds}") == "$1" ]]
}

state() {
    ctl status >/dev/null 2>&1
    echo $?
}

local_of() {
    ctl --json policy show --origin |
        jq -r ".policy.local${1:-}"
}

# refused CLAIM USER OTHER WHY: kept as it was, and told
refused() {
    check "$1: it is told" until_true 10 is_use kept
    check "$1: and why" grep -q "$4" <(of .channel.local_why)
    are "$1: the last good one stays" "$2" "$3"
    check_eq "$1: status is degraded" "$(state)" 4
    check_eq "$1: the origin says so" "$(local_of _use)" "imds (kept)"
}

# mended TEXT USER OTHER: the file is sound again
mended() {
    rm -rf "$FILE"
    put "$1"
    check "mended: it is merged" until_true 10 is_use merged
    are "mended: callers" "$2" "$3"
    check_eq "mended: nothing is told" "$(of .channel.local_why)" null
}

ONLY_USER=$(rules /metadata/versions '"uid":2001')
DENY=$(asking enforce deny)
ALLOW=$(asking enforce allow)

sandbox_up
RULES=$SB_DIR/rules
FILE=$RULES/IMDS_Rules.json
mkdir -m 0700 "$RULES"
sim_scenario "{\"rules\":{\"imds\":$DENY}}"
sandbox_start_sim
sim_mode wireserver=off hostga=off

# not configured here: what the host says by itself
put '{"defaultAccess":"allow"}'
start_host
check "no option: the host's own rules" until_true 10 is_use no-directory
are "no option: nobody" EPERM EPERM
check_eq "no option: status is degraded" "$(state)" 4
check_eq "no option: nothing local is in force" "$(local_of)" none
sandbox_stop_mspd
rm "$FILE"

start_host --local-rules "$RULES"
check "no file: the host's own rules" until_true 10 is_use missing
are "no file: nobody" EPERM EPERM
check_eq "no file: nothing is degraded" "$(state)" 0

# it appears, changes, and goes
put "{\"id\":\"mine\",\"rules\":$ONLY_USER}"
are "it appears: the user" 200 EPERM
check_eq "it appears: merged" "$(of .channel.local_imds)" merged
check_eq "it appears: nothing is degraded" "$(state)" 0
check_eq "it appears: still the host's policy, with it" \
    "$(of .policy.origin) $(local_of)" "host imds"
check_eq "it appears: the policy is called after both" \
    "$(ctl --json policy show | jq -r '.image.endpoints[] |
        select(.name == "imds").id')" "p-useLocalFileRules-true_mine"
put '{"defaultAccess":"allow"}'
are "it changes: all" 200 200
host_policy "{\"imds\":$(asking enforce deny \
    "$(rules /metadata/instance '"uid":0')")}"
put "{\"rules\":$ONLY_USER}"
are "both have rules: the user" 200 EPERM
check_eq "both have rules: names of the file are its own" \
    "$(ctl --json policy show | jq -r '[.image.identities[].name] |
        sort | join(" ")')" "LocalFileRules_i i"
host_policy "{\"imds\":$DENY}"
are "the host's are gone: the user" 200 EPERM
rm "$FILE"
are "it goes: nobody" EPERM EPERM
check "it goes: it is missing" until_true 10 is_use missing

# what may not be used; the first one ever denies, in the host's mode
put '{"rules":'
check "broken from the first: denied" until_true 10 is_use denied
are "broken from the first: nobody" EPERM EPERM
check_eq "broken from the first: the origin says so" \
    "$(local_of), $(local_of _use)" "imds, imds (denied)"
host_policy "{\"imds\":$ALLOW}"
are "broken, and the host allows: nobody" EPERM EPERM
host_policy "{\"imds\":$(asking audit allow)}"
are "broken in mode audit: all" 200 200
check_eq "broken in mode audit: it is told" "$(of .channel.local_imds)" denied
check_eq "broken in mode audit: degraded" "$(state)" 4
host_policy "{\"imds\":$DENY}"
are "broken and enforced: nobody" EPERM EPERM
GOOD="{\"rules\":$ONLY_USER}"
mended "$GOOD" 200 EPERM

put '{"rules":{"privileges":[]}}'
refused "half of the rules" 200 EPERM /rules
mended "$GOOD" 200 EPERM
put '{"defaultAccess":"allow","defaultAccess":"allow"}'
refused "a member twice" 200 EPERM duplicate
mended "$GOOD" 200 EPERM
ln -sf "$RULES/elsewhere" "$FILE"
put '{"defaultAccess":"allow"}' "$RULES/elsewhere"
refused "a link" 200 EPERM "symbolic link"
mended "$GOOD" 200 EPERM
put '{"defaultAccess":"allow"}'
chmod 0622 "$FILE"
refused "others may write it" 200 EPERM mode
mended "$GOOD" 200 EPERM
put '{"defaultAccess":"allow"}'
chown 2001 "$FILE"
refused "another user's" 200 EPERM owner
mended "$GOOD" 200 EPERM
chmod 0777 "$RULES"
refused "others may write the directory" 200 EPERM directory
chmod 0700 "$RULES"
mended "$GOOD" 200 EPERM
put "{\"defaultAccess\":\"allow\",\"id\":\"$(head -c 1048576 /dev/zero |
    tr '\0' x)\"}"
refused "larger than 1 MiB" 200 EPERM "larger than 1 MiB"
mended "$GOOD" 200 EPERM
rm "$FILE"
mkfifo "$FILE"
refused "a pipe" 200 EPERM regular

# the host is followed meanwhile
host_policy "{\"imds\":$(asking enforce deny \
    "$(rules /metadata/versions '"uid":2002')")}"
are "refused: what the host says counts" 200 200
check_eq "refused: and the last good file" "$(of .channel.local_imds)" kept
host_policy "{\"imds\":{\"mode\":\"enforce\",\"defaultAccess\":\"deny\",
    \"id\":\"plain\"}}"
are "not asked for any more: nobody" EPERM EPERM
check_eq "not asked for any more: nothing is told" \
    "$(of '.channel.local_imds, .channel.local_why' | tr '\n' ' ')" \
    "not-asked null "
rm "$FILE"

# the mode is the host's alone, and a push cannot change anything
put '{"mode":"disabled","defaultAccess":"allow"}'
are "nobody asks for it: nobody" EPERM EPERM
put '{"mode":"disabled","defaultAccess":"deny"}'
host_policy "{\"imds\":$ALLOW}"
are "a mode of its own, disabled: enforced as the host says" EPERM EPERM
put '{"mode":"enforce","defaultAccess":"deny"}'
host_policy "{\"imds\":$(asking audit allow)}"
are "a mode of its own, enforce: audited as the host says" 200 200
put '{"mode":"audit","defaultAccess":"deny"}'
host_policy "{\"imds\":$ALLOW}"
are "a mode of its own, audit: enforced as the host says" EPERM EPERM
printf '%s\n' "$(policy "$(item disabled allow)")" >"$SB_DIR/policy.json"
check_eq "a push is refused beside it" \
    "$(ctl policy push "$SB_DIR/policy.json" >/dev/null 2>&1; echo $?)" 1
are "after the push: as before" EPERM EPERM

# of WireServer, and never of HostGA
sim_mode wireserver=enforce hostga=enforce
wire() {
    http_code "$ROOT" vm "http://$WIRE:$1"
}
wire_gets() {
    [[ $(wire "$1") == "$2" ]]
}
put "$GOOD"
put '{"defaultAccess":"deny"}' "$RULES/WireServer_Rules.json"
host_policy "{\"imds\":$DENY,\"wireserver\":$ALLOW}"
check "WireServer: its file" until_true 10 wire_gets '80/?comp=versions' EPERM
check "WireServer: HostGA as the host says" \
    until_true 10 wire_gets 32526/versions 200
check_eq "both files" "$(local_of)" "imds, wireserver"
check_eq "both files are merged" "$(local_of _use)" \
    "imds (merged), wireserver (merged)"
are "both files: IMDS by its own" 200 EPERM

# another keeper, another mspd, and the host away
kill -KILL "$(child_pid mspd-keeper | head -n 1)"
put '{"defaultAccess":"allow"}'
are "after a keeper: the file as it is now" 200 200
digest=$(of .policy.digest)
put '{'
check "refused, as long as this keeper lives" until_true 10 is_use kept
kill -KILL "$(child_pid mspd-keeper | head -n 1)"
check "refused, and another keeper: nobody" until_true 10 is_use denied
are "refused, and another keeper: callers" EPERM EPERM
put '{"defaultAccess":"allow"}'
are "sound again: all" 200 200
sandbox_stop_mspd KILL
start_host --local-rules "$RULES"
check "another mspd: merged again" until_true 10 is_use merged
check_eq "another mspd: the same policy" "$(of .policy.digest)" "$digest"
sandbox_stop_mspd
kill -TERM "$SB_SIM"
wait "$SB_SIM"
ctl detach --yes >/dev/null 2>&1
rm -rf "${SB_DIR:?}/bpf/mspd"
start_host --local-rules "$RULES"
check_eq "boot, host away: with the files, as it was last" \
    "$(of .policy.digest) $(local_of)" "$digest unknown"
SB_SIM=''
sandbox_start_sim
are "host back: served by it" 200 200
rm "$FILE" "$RULES/WireServer_Rules.json"
are "and followed" EPERM EPERM
sandbox_stop_mspd

# pushes alone: no host's policy, so no file of it
check_eq "with --policy-from push it is no option" \
    "$("$SB_DIR/bin/mspd" --secure-channel --policy-from push \
        --local-rules "$RULES" >/dev/null 2>&1; echo $?)" 2
sandbox_done
