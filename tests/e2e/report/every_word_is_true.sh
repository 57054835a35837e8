#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# Both files say how it stands, by the platform's words: no key yet, latched,
# disabled by the host, a proxy that does not serve, a refused policy, programs
# taken away, mspd stopped. What they say is held against the host and callers.
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"

WELL='SUCCESS RUNNING RUNNING RUNNING RUNNING STOPPED'
RULES='{"imds":{"mode":"enforce","defaultAccess":"allow","id":"D/uTRPye9b9=+"},
    "wireserver":{"mode":"enforce","defaultAccess":"allow","id":"wire-1"}}'

states() {
    theirs_of ".proxyAgentStatus.keyLatchStatus.states.$1"
}

message() {
    theirs_of ".proxyAgentStatus.$1.message"
}

has_message() {
    [[ $(message "$1") == "$2"* ]]
}

is_refused_message() {
    local why
    why=$(of .channel.policy)
    [[ $why != null && $(message keyLatchStatus) == "$why" ]]
}

is_own() {
    [[ $(own_word "$1") == "$2" ]]
}

is_stamped_after() {
    [[ $(theirs_of .timestamp) > "$1" ]]
}

sandbox_up
sim_scenario "{\"rules\":$RULES}"
start_reporting
say "no host: no key yet" 'ERROR RUNNING UNKNOWN RUNNING RUNNING STOPPED'
check "no host: and why" until_true 10 has_message keyLatchStatus \
    'Failed to get key status - '
check_eq "no host: the state" "$(states secureChannelState)" Unknown
check_eq "no host: no GUID" "$(states keyGuid)" null
check_eq "no host: our own word" "$(own_word keyLatchStatus)" UNKNOWN
check_eq "no host: our own state" "$(own .state)" degraded

sandbox_start_sim
check "latched: the user is served" until_true 10 is_served
say "latched: all runs" "$WELL"
check_eq "latched: the GUID" "$(states keyGuid)" "$(latched)"
check_eq "latched: the incarnation is a string" \
    "$(theirs_of '.proxyAgentStatus.keyLatchStatus.states.keyIncarnationId |
        type')" string
check_eq "latched: the state" "$(states secureChannelState)" "$ENFORCED"
check_eq "latched: rule ids are those of the host" \
    "$(states imdsRuleId) $(states wireServerRuleId) $(states hostGARuleId)" \
    "D/uTRPye9b9=+ wire-1 wire-1"
check_eq "latched: where it was written" "$(message monitorStatus)" \
    "Aggregate status written to status file: $SB_DIR/platform/status.json"
check "latched: the message" has_message keyLatchStatus \
    'Successfully attest the key and ready to use. - '
check_eq "latched: our own is what mspctl prints" \
    "$(jq -c '[.state, .key, .channel, .policy.digest, .parts]' \
        "$SB_DIR/run/status.json")" \
    "$(ctl --json status | jq -c \
        '[.state, .key, .channel, .policy.digest, .parts]')"
check_eq "members, and their order" \
    "$(theirs_of '[keys_unsorted[]], [.proxyAgentStatus | keys_unsorted[]] |
        join(" ")')" \
    "timestamp proxyAgentStatus proxyConnectionSummary failedAuthenticateSummary
version status monitorStatus keyLatchStatus ebpfProgramStatus proxyListenerStatus telemetryLoggerStatus proxyConnectionsCount"
check "the time is theirs" grep -Eq \
    '"timestamp": "20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{3}",' \
    "$SB_DIR/platform/status.json"
check_eq "who may read them" \
    "$(stat -c %a "$SB_DIR/run/status.json" "$SB_DIR/platform/status.json" |
        tr '\n' ' ')" "640 640 "
secret=$(jq -r .key "$SB_DIR/state/keys/$(latched).key")
check_eq "a key has 64 digits" "${#secret}" 64
check_eq "it is in neither" "$(cat "$SB_DIR/run/status.json" \
    "$SB_DIR/platform/status.json" | grep -ci "$secret")" 0

stamp=$(theirs_of .timestamp)
check "nothing changes: written again in time" \
    until_true 10 is_stamped_after "$stamp"
count=$(theirs_of .proxyAgentStatus.proxyConnectionsCount)
versions >/dev/null
versions >/dev/null
has_counted() {
    (($(theirs_of .proxyAgentStatus.proxyConnectionsCount) == count + 2))
}
check "requests are counted" until_true 10 has_counted

proxy=$(child_pid mspd-proxy)
kill -STOP "$proxy"
say "a proxy that is held: stopped" \
    'ERROR RUNNING RUNNING RUNNING STOPPED STOPPED'
kill -CONT "$proxy"
say "it goes on: running" "$WELL"
chmod 0644 "$SB_DIR/bin/mspd-proxy"
kill -KILL "$proxy"
say "a proxy that cannot be started: stopped" \
    'ERROR RUNNING RUNNING RUNNING STOPPED STOPPED'
SB_MAX_TIME=1
check_eq "and callers get nothing" "$(versions)" timeout
unset SB_MAX_TIME
chmod 0755 "$SB_DIR/bin/mspd-proxy"
check "it can be started: served" until_true 20 is_served
say "running again" "$WELL"

sim_scenario '{"rules":{"imds":{"mode":"sometimes","defaultAccess":"allow",
    "id":"x"}}}'
check "a policy that is refused: its message" \
    until_true 10 is_refused_message
check_eq "a policy that is refused: our own state" "$(own .state)" degraded
check "a policy that is refused: why" \
    grep -q "host's policy was refused" "$SB_DIR/run/status.json"
check_eq "a policy that is refused: the key is still in use" "$(words)" "$WELL"

sim_scenario "{\"enabled\":false,\"rules\":$RULES}"
check "disabled: our own word" until_true 10 is_own keyLatchStatus Disabled
say "disabled: theirs" "$WELL"
check_eq "disabled: the state" "$(states secureChannelState)" disabled
check_eq "disabled: no GUID" "$(states keyGuid)" null
check "disabled: the message" has_message keyLatchStatus \
    'Customer has not enforce the secure channel state. - '
check_eq "disabled: nothing is amiss" "$(own .state)" ok
sim_scenario "{\"rules\":$RULES}"
check "enabled again" until_true 10 is_own keyLatchStatus RUNNING

sandbox_stop_mspd
check_eq "stopped: all but the programs, which stay" "$(words)" \
    'ERROR STOPPED STOPPED RUNNING STOPPED STOPPED'
check_eq "stopped: they do stay" "$(versions)" EPERM
check_eq "stopped: our own state" "$(own .state)" stopped
check_eq "stopped: our own word" "$(own_word monitorStatus)" STOPPED
check_eq "stopped: the channel's state is not made up" \
    "$(states secureChannelState)" "$ENFORCED"

start_reporting
say "started again" "$WELL"
ctl detach --yes >/dev/null 2>&1
wait "$SB_MSPD"
check_eq "detached: the programs too" "$(words)" \
    'ERROR STOPPED STOPPED STOPPED STOPPED STOPPED'
check_eq "detached: they are gone" "$(sim_mode imds=off; versions)" 200
sandbox_done
