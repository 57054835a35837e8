# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# shellcheck shell=bash
# For the tests of this folder: those of the channel, and two files.
# shellcheck disable=SC2034
# shellcheck source=SCRIPTDIR/../channel/common.sh
. "$(dirname "$0")/../channel/common.sh"

# start_reporting [mspd options]: with the policy of the host
start_reporting() {
    start_host --platform-status "$SB_DIR/platform" "$@"
}

# Of the file in the run directory, and of the platform's.
own() {
    jq -r "$1" "$SB_DIR/run/status.json"
}

theirs_of() {
    jq -r "$1" "$SB_DIR/platform/status.json"
}

# own_word PART: as the file in the run directory has it
own_word() {
    own ".parts[] | select(.name == \"$1\") | .status"
}

# A line of all words: overall, monitor, key, programs, listener, telemetry.
words() {
    theirs_of '.proxyAgentStatus | [.status, .monitorStatus.status,
        .keyLatchStatus.status, .ebpfProgramStatus.status,
        .proxyListenerStatus.status, .telemetryLoggerStatus.status] | join(" ")'
}

are_words() {
    [[ $(words) == "$1" ]]
}

# say CLAIM WORDS
say() {
    if until_true 10 are_words "$2"; then
        ok "$1"
    else
        not_ok "$1" "got:    $(words)" "wanted: $2"
    fi
}
