#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# Every state of version 1.0 and 2.0 in the platform's own words; what is
# disabled has no key, but one such answer alone is not believed; a host that
# forgets the GUID, or says it is empty, takes no key away.
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"

# state CLAIM SCENARIO-MEMBERS STATE have|none
state() {
    sim_scenario "{$2}"
    check "$1: the state" until_true 10 is_state "$3"
    check "$1: key: $4" until_true 10 test_key "$4"
    check_eq "$1: nothing fails" "$(of .channel.failing)" false
}

test_key() {
    [[ $(of .key.state) == "$1" ]]
}

modes() {
    printf '"rules":{"imds":{"mode":"%s","defaultAccess":"allow","id":"i"},' "$1"
    printf '"wireserver":{"mode":"%s","defaultAccess":"allow","id":"w"},' "$2"
    printf '"hostga":{"mode":"audit","defaultAccess":"allow","id":"h"}}'
}

sandbox_up
sim_scenario "{\"rules\":$GUARDED}"
sandbox_start_sim
start_channel
push_policy "$(policy "$(item enforce allow)")"
check "a key is latched" until_true 10 has_key

state "1.0 both" '"version":"1.0","state":"WireserverAndImds"' \
    wireserverandimds have
state "1.0 case" '"version":"1.0","state":"wIRESERVER"' wireserver have
state "2.0 enforce" "$(modes enforce enforce)" "$ENFORCED" have
state "2.0 audit" "$(modes audit Audit)" \
    'WireServer Audit -  IMDS Audit - HostGA Audit' have
state "2.0 HostGA as WireServer" "$(modes Enforce disabled)" \
    'WireServer Disabled -  IMDS Enforce - HostGA Disabled' have
state "2.0 no item" '"rules":{}' \
    'WireServer Disabled -  IMDS Disabled - HostGA Disabled' have
guid=$(of .key.guid)
check_eq "one key served them all" "$guid" "$(latched)"
check "the user is served" until_true 10 is_served

journal_mark
sim_scenario "{\"rules\":$GUARDED,\"status\":[
    {\"times\":1,\"set\":{\"secureChannelEnabled\":false}},{\"times\":1},
    {\"times\":1,\"set\":{\"secureChannelEnabled\":false}},{\"http\":500},
    {\"times\":1,\"set\":{\"secureChannelEnabled\":false}}]}"
check "disabled said three times, never twice in a row" until_true 20 \
    has_polled 6
check_eq "it is not believed" "$(of .channel.state)" "$ENFORCED"
check_eq "the key is the same" "$(of .key.guid)" "$guid"
check_eq "nobody took it for gone" "$(grep -c key.gone "$SB_DIR/mspd.log")" 0

for text in null '""'; do
    sim_scenario "{\"rules\":$GUARDED,
        \"status\":[{\"times\":0,\"set\":{\"keyGuid\":$text}}]}"
    check "a GUID that is $text: another key is asked for" until_true 10 says \
        'Failed to acquire key details: HTTP status 403'
    check_eq "a GUID that is $text: the key stays" "$(of .key.guid)" "$guid"
    check "a GUID that is $text: the user is served" is_served
done
sim_scenario "{\"rules\":$GUARDED}"

state "disabled" "\"enabled\":false,\"rules\":$GUARDED" disabled none
check "the platform's message" \
    says 'Customer has not enforce the secure channel state. - '
check_eq "what an enforcing policy makes of it is told, and no more" \
    "$(of '[.reasons[].text | sub(":.*"; "")] | join(",")')" \
    "the host wants no key, but the policy enforces"
check_eq "in the exit status, too" "$(ctl status >/dev/null; echo $?)" 4
journal_mark
check_eq "without a key an enforced user gets 503" "$(versions)" 503
check_eq "and nothing goes out" "$(theirs true)" 0
state "enabled again" "\"rules\":$GUARDED" "$ENFORCED" have
check_eq "the stored key was found" "$(of .key.guid)" "$guid"
state "no rules" '"rules":null' disabled none
state "1.0 disabled" '"version":"1.0","state":"disabled"' disabled none
state "1.0 wireserver" '"version":"1.0","state":"Wireserver"' wireserver have
state "another incarnation" "\"incarnation\":77,\"rules\":$GUARDED" \
    "$ENFORCED" have
check_eq "status shows it" "$(of .channel.incarnation)" 77
check "it has another key" test "$(of .key.guid)" != "$guid"
check "the user is served in the end" until_true 10 is_served
sandbox_done
