# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# shellcheck shell=bash
# For the tests of this folder. The waits of the channel are 20 times shorter:
# a poll every 0.75 s, the first ones every 50 ms.
# shellcheck disable=SC2034
# shellcheck source=SCRIPTDIR/../../harness/sandbox.sh
. "$(dirname "$0")/../../harness/sandbox.sh"

USER=2001:3001
export SB_KEY=''
GUARDED='{"imds":{"mode":"enforce","defaultAccess":"allow","id":"i"},
    "wireserver":{"mode":"enforce","defaultAccess":"allow","id":"w"}}'
ENFORCED='WireServer Enforce -  IMDS Enforce - HostGA Enforce'

# start_channel [mspd options]; the policy is what the test pushes
start_channel() {
    start_host --policy-from push "$@"
}

# The same, with the policy of the host.
start_host() {
    sandbox_start_mspd --secure-channel --channel-scale 20 "$@"
}

# A member of status: of .channel.state
of() {
    ctl --json status | jq -r "$1"
}

has_key() {
    [[ $(of .key.state) == have ]]
}

is_state() {
    [[ $(of .channel.state) == "$1" ]]
}

# The message begins with this.
says() {
    [[ $(of .channel.message) == "$1"* ]]
}

events() {
    tail -n "+$((${SB_MARK:-0} + 1))" "$SB_DIR/journal" |
        jq -c "select(.event == \"$1\")"
}

# The GUID the host latched last.
latched() {
    jq -r 'select(.event == "latched") | .guid' "$SB_DIR/journal" | tail -n 1
}

polls() {
    journal_count '.target == "/secure-channel/status"'
}

# has_polled N: so many since the last mark
has_polled() {
    (($(polls) >= $1))
}

versions() {
    http_code "$USER" vm "http://$IMDS/metadata/versions"
}

is_served() {
    [[ $(versions) == 200 ]]
}

# Requests of others that the host saw since the last mark.
theirs() {
    journal_count "(.target | startswith(\"/secure-channel/\") | not) and (${1:-true})"
}
