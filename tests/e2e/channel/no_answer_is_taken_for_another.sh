#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# Every answer the host should not give, to each of the three requests: what
# was in force stays so, the channel says what is wrong, nothing but the
# simulator's own latch makes a key, and the next good answer mends it all.
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"

STATUS='Failed to get key status - '
ACQUIRE='Failed to acquire key details: '
ATTEST='Failed to attest the key: '

# After this the host has latched a key, in this run or before.
mend() {
    sim_scenario "{\"incarnation\":$incarnation,\"rules\":$GUARDED}"
    until_true 10 is_mended || not_ok "$1: the next good answer mends it" \
        "$(of .channel.message)"
    [[ -z $(find "$SB_DIR/state/keys" -name '*.tmp') ]] ||
        not_ok "$1: no half file stays"
}

is_mended() {
    has_key && [[ $(of .channel.failing) == false &&
        $(of .channel.incarnation) == "$incarnation" &&
        $(of .channel.state) == "$ENFORCED" && $(of .key.guid) == "$(latched)" ]]
}

# status_row CLAIM STEP MESSAGE: with a key latched, whatever is polled
status_row() {
    local key
    key=$(of .key.guid)
    sim_scenario "{\"incarnation\":$incarnation,\"rules\":$GUARDED,
        \"status\":[{\"times\":0,$2}]}"
    if until_true 10 says "$STATUS$3" && [[ $(of .key.guid) == "$key" ]] &&
        is_state "$ENFORCED" && [[ $(of .channel.failing) == true ]]; then
        ok "status: $1"
    else
        not_ok "status: $1" "$(of '.channel,.key')"
    fi
}

# key_row CLAIM key|attest STEP MESSAGE: while a key is to be had anew
key_row() {
    incarnation=$((incarnation + 1))
    sim_scenario "{\"incarnation\":$incarnation,\"rules\":$GUARDED,
        \"$2\":[{\"times\":0,$3}]}"
    if until_true 10 says "$4" && [[ $(of .channel.failing) == true ]]; then
        ok "$2: $1"
    else
        not_ok "$2: $1" "$(of '.channel,.key')"
    fi
    mend "$2: $1"
}

sandbox_up
incarnation=1
sim_scenario "{\"rules\":$GUARDED}"
sandbox_start_sim
start_channel
push_policy "$(policy "$(item enforce allow)")"
check "a key is latched" until_true 10 has_key
check "the user is served" until_true 10 is_served

status_row '404' '"http":404' 'HTTP status 404'
status_row '503' '"http":503' 'HTTP status 503'
status_row 'a redirect' '"http":302' 'HTTP status 302'
status_row 'no answer' '"hang_up":true' 'Connection reset'
status_row 'cut in the head' '"cut":20' 'Connection reset'
status_row 'cut in the body' '"cut":300' 'Connection reset'
status_row 'a stall' '"cut":300,"stall":true' 'Connection timed out'
status_row 'late' '"delay_ms":3000' 'Connection timed out'
status_row 'no JSON' '"body":"{"' 'not JSON'
status_row 'XML' '"body":"<xml/>","type":"text/xml"' \
    'not JSON: the answer is XML'
status_row 'an error of the host' '"http":410,"type":"text/xml",
    "body":"<Error><Code>ResourceNotAvailable</Code></Error>"' \
    'HTTP status 410 (XML: ResourceNotAvailable)'
status_row 'nothing' '"body":""' 'not JSON: the answer is empty'
status_row 'a member twice' '"body":"{\"a\":1,\"a\":2}"' \
    'a member is there twice'
status_row 'another scheme' '"set":{"authorizationScheme":"Azure-HMAC-SHA512"}' \
    'authorizationScheme'
status_row 'another delivery' '"set":{"keyDeliveryMethod":"vtpm"}' \
    'keyDeliveryMethod'
status_row 'no version' '"unset":["version"]' 'version'
status_row 'a version as a number' '"set":{"version":2.0}' 'version'
status_row 'no switch' '"unset":["secureChannelEnabled"]' 'neither'
status_row 'a switch that is text' '"set":{"secureChannelEnabled":"true"}' \
    'secureChannelEnabled'
status_row 'a state that is unknown' '"set":{"secureChannelState":"Audit"}' \
    'secureChannelState'
status_row '1.0 without a state' '"set":{"version":"1.0"}' 'version 1.0'
status_row 'a later version without a state' '"set":{"version":"3.0"}' \
    'version 1.0'
status_row 'a GUID that is a path' '"set":{"keyGuid":"../../../etc/passwd"}' \
    'keyGuid'
status_row 'a GUID that is a number' '"set":{"keyGuid":7}' 'keyGuid'
status_row 'rules that are text' '"set":{"authorizationRules":"all"}' \
    'authorizationRules'
status_row 'an incarnation below 0' '"set":{"keyIncarnationId":-1}' \
    'keyIncarnationId'
check_eq "all the while no other key was asked for" \
    "$(events issued | wc -l)" 1
mend "status"
check "and the user is served" is_served

key_row '403' key '"http":403' "${ACQUIRE}HTTP status 403"
key_row '201 is not 200' key '"act":true,"http":201' "${ACQUIRE}HTTP status 201"
key_row '500' key '"http":500' "${ACQUIRE}HTTP status 500"
key_row 'no answer' key '"act":true,"hang_up":true' "${ACQUIRE}Connection reset"
key_row 'cut short' key '"cut":330' "${ACQUIRE}Connection reset"
key_row 'no JSON' key '"body":"{"' "${ACQUIRE}not JSON"
key_row 'another scheme' key '"set":{"authorizationScheme":"none"}' \
    "${ACQUIRE}authorizationScheme"
key_row 'a GUID that is a path' key '"set":{"guid":"../../x"}' "${ACQUIRE}guid"
key_row 'half a key' key '"set":{"key":"4A404E63"}' "${ACQUIRE}key"
key_row 'no key' key '"unset":["key"]' "${ACQUIRE}key"
key_row 'too large' key "\"headers\":{\"x\":\"$(head -c 20000 /dev/zero |
    tr '\0' x)\"}" "${ACQUIRE}"
key_row 'not the key of that GUID' key \
    '"set":{"key":"4A404E635266556A586E3272357538782F413F4428472B4B6250645367566B59"}' \
    "${ATTEST}HTTP status 401"

key_row '401' attest '"http":401' "${ATTEST}HTTP status 401"
key_row '204 is not 200' attest '"http":204' "${ATTEST}HTTP status 204"
key_row '503' attest '"http":503' "${ATTEST}HTTP status 503"
key_row 'late' attest '"act":false,"http":200,"delay_ms":3000' \
    "${ATTEST}Connection timed out"

# The host latched, but its answer is lost: the key is among the files.
incarnation=$((incarnation + 1))
journal_mark
sim_scenario "{\"incarnation\":$incarnation,\"rules\":$GUARDED,
    \"attest\":[{\"act\":true,\"hang_up\":true}]}"
check "attest: a lost answer after the latch" until_true 10 is_mended
check_eq "attest: nothing was asked for twice" "$(events issued | wc -l)" 1
check "attest: it came from the file" says 'Found key details from local'

journal_mark
check "in the end the user is served" until_true 5 is_served
check_eq "nothing went out unsigned" "$(theirs '.signed != "valid"')" 0
check "the files did not pile up" \
    test "$(find "$SB_DIR/state/keys" -name '*.key' | wc -l)" -le 16
check_eq "nothing was written elsewhere" \
    "$(find "$SB_DIR" -name 'x.key' -o -name 'passwd.key')" ""
sandbox_done
