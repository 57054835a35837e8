#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# What the host says is what callers get: rules, modes, HostGA as WireServer,
# changes by content whatever the id. A document that is refused leaves the last
# good one; the first one ever that is refused denies. The last good one is in
# force at boot, with the host away. A push is refused while the host guards
# anything, and counts again when it does not; by option pushes alone count.
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"

OTHER=2002:3002
ROOT=0:0

# host_policy RULES [MORE-SCENARIO]
host_policy() {
    sim_scenario "{\"rules\":$1${2:+,$2}}"
}

# One item: one MODE DEFAULT ID [RULES]
one() {
    printf '{"mode":"%s","defaultAccess":"%s","id":"%s"%s}' "$1" "$2" "$3" \
        "${4:+,\"rules\":$4}"
}

get() {
    http_code "$1" vm "http://$IMDS/metadata/versions"
}

wire() {
    http_code "$1" vm "http://$WIRE/?comp=versions"
}

hostga() {
    http_code "$1" vm "http://$WIRE:32526/versions"
}

# gets WHO WHAT: of IMDS
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

origin() {
    of .policy.origin
}

is_origin() {
    [[ $(origin) == "$1" ]]
}

test_policy_told() {
    [[ $(of .channel.policy) != null ]]
}

test_no_policy_told() {
    ! test_policy_told
}

# has_other DIGEST
has_other() {
    [[ $(of .policy.digest) != "$1" ]]
}

denies_wire() {
    [[ $(wire "$USER") == EPERM ]]
}

ONLY_USER=$(one enforce deny same-id "$(rules /metadata/versions \
    '"processName":"curl"')")
NOBODY=$(one enforce deny same-id)
ALL=$(one enforce allow same-id)

sandbox_up
# nothing is guarded: what a caller gets is not our doing
sim_scenario '{"enabled":false}'
sandbox_start_sim
sim_mode imds=off wireserver=off hostga=off
start_host
check "disabled: it is the host's word" until_true 10 is_origin host
are "disabled: all get through" 200 200
check_eq "disabled: other users reach WireServer" "$(wire "$USER")" 200
check_eq "disabled: and HostGA" "$(hostga "$USER")" 200
check_eq "disabled: nothing was signed" "$(theirs '.signed != "none"')" 0

sim_mode imds=enforce wireserver=enforce hostga=enforce
host_policy "{\"imds\":$ALL,\"wireserver\":$(one enforce allow w),
    \"hostga\":$(one disabled allow h)}"
are "all: signed for all" 200 200
check_eq "WireServer is root's" "$(wire "$USER") $(wire "$ROOT")" "EPERM 200"
check_eq "HostGA is as WireServer" \
    "$(hostga "$USER") $(hostga "$ROOT")" "EPERM 200"
check_eq "its origin" "$(origin)" host
journal_mark

host_policy "{\"imds\":$NOBODY}"
are "the same id, other rules: nobody" EPERM EPERM
check_eq "WireServer is not guarded any more" \
    "$(sim_mode wireserver=off; wire "$USER")" 200
host_policy "{\"imds\":$ONLY_USER}"
are "who executes curl" 200 200
host_policy "{\"imds\":$(one enforce deny i \
    "$(rules /metadata/versions '"userName":"nobody-of-this-name"')")}"
are "a user that does not exist" EPERM EPERM
host_policy "{\"imds\":$(one audit deny i)}"
are "audit: would-be denials are relayed" 200 200
audited=$(of .policy.digest)
host_policy "{\"imds\":$(one Enforce Allow i)}"
check "words in any case: another policy" until_true 10 has_other "$audited"
are "words in any case" 200 200

# refused documents
good=$(of .policy.digest)
for bad in '{"imds":{"mode":"enforce","defaultAccess":"allow","id":"x",
        "rules":{"privileges":[]}}}' \
    '{"imds":{"mode":"sometimes","defaultAccess":"allow","id":"x"}}' \
    '{"imds":"all"}'; do
    host_policy "$bad"
    check "refused: it is told" until_true 10 test_policy_told
    check_eq "refused: the last good one stays" "$(of .policy.digest)" "$good"
    are "refused: callers are as before" 200 200
    check_eq "refused: status says degraded" \
        "$(ctl status >/dev/null; echo $?)" 4
    host_policy "{\"imds\":$(one Enforce Allow i)}"
    check "mended: nothing is told" until_true 10 test_no_policy_told
done

# pushes
push_of() {
    printf '%s\n' "$1" >"$SB_DIR/policy.json"
    ctl policy push "$SB_DIR/policy.json" >"$SB_DIR/push.out" 2>&1
    echo $?
}
check_eq "a push is refused" \
    "$(push_of "$(policy "$(item disabled allow)")")" 1
check "and why" grep -q "host's policy is in force" "$SB_DIR/push.out"
check_eq "a rollback too" "$(ctl policy rollback >/dev/null 2>&1; echo $?)" 1
check_eq "the host's stays" "$(of .policy.digest)" "$good"
check_eq "show names its origin" "$(ctl --json policy show --origin |
    jq -r '[.policy.origin, .policy.host, .policy.pushed, .image] | @csv')" \
    "\"host\",\"$good\",\"none\","

# at boot, with the host away
host_policy "{\"imds\":$ONLY_USER,\"wireserver\":$(one enforce allow w)}"
check "WireServer is guarded again" until_true 10 denies_wire
digest=$(of .policy.digest)
sandbox_stop_mspd
kill -TERM "$SB_SIM"
wait "$SB_SIM"
ctl detach --yes >/dev/null 2>&1
rm -rf "${SB_DIR:?}/bpf/mspd"
start_host
check_eq "boot, host away: the last good one" "$(of .policy.digest)" "$digest"
check_eq "boot, host away: as the host's" "$(origin)" host
check_eq "boot, host away: WireServer is root's" "$(wire "$USER")" EPERM
SB_SIM=''
sandbox_start_sim
check "host back: served" until_true 10 gets "$USER" 200

# nothing guarded: what is pushed counts
sim_scenario '{"enabled":false}'
check "disabled: the host lets go" until_true 10 is_state disabled
sim_mode imds=off
are "disabled: all get through" 200 200
check_eq "disabled: a push is taken" \
    "$(push_of "$(policy "$(item enforce deny)")")" 0
check_eq "and counts" "$(get "$USER") $(origin)" "EPERM push"
check_eq "status says that nobody is signed for" "$(ctl --json status |
    jq -r '.state, (.reasons | map(select(.text | test("no-key"))) | length)' |
    tr '\n' ' ')" "degraded 1 "
check_eq "show names both" "$(ctl --json policy show --origin |
    jq -r '.policy.origin, (.policy.host == .policy.pushed),
        (.policy.pushed == .policy.digest)' | tr '\n' ' ')" "push false true "
sandbox_stop_mspd KILL
start_host
check_eq "and after a restart" "$(get "$USER") $(origin)" "EPERM push"
sim_mode imds=enforce
host_policy "{\"imds\":$(one enforce allow i)}"
are "the host guards again: its policy" 200 200
check_eq "its origin" "$(origin)" host
sim_scenario '{"enabled":false}'
check "disabled again: the pushed one is back" until_true 10 is_origin push
check_eq "and counts" "$(get "$USER")" EPERM

# a pushed one that cannot be read is not none
sandbox_stop_mspd
cp "$SB_DIR/state/policy.image" "$SB_DIR/tmp/pushed"
printf 'x' >>"$SB_DIR/state/policy.image"
ctl detach --yes >/dev/null 2>&1
rm -rf "${SB_DIR:?}/bpf/mspd"
journal_mark
start_host
check "unreadable: the host says disabled" until_true 10 is_state disabled
check "unreadable: it is told" grep -q 'policy.stored' "$SB_DIR/mspd.log"
sleep 2 # the time in which the host's would come into force
check_eq "unreadable: nobody gets through" \
    "$(get "$USER") $(origin)" "EPERM bootstrap"
sandbox_stop_mspd
cp "$SB_DIR/tmp/pushed" "$SB_DIR/state/policy.image"
start_host
check "readable: it is back" until_true 10 is_origin push
check_eq "readable: and counts" "$(get "$USER")" EPERM
sandbox_stop_mspd

# only what is pushed
host_policy "{\"imds\":$ALL}"
start_channel
check "pushes only: a key" until_true 10 has_key
check_eq "pushes only: the pushed one counts" \
    "$(get "$USER") $(origin)" "EPERM push"
check_eq "pushes only: and may be replaced" \
    "$(push_of "$(policy "$(item enforce allow)")")" 0
are "pushes only: by what is pushed" 200 200
sandbox_done
