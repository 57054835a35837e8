#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# What a container notices of another one that floods the endpoint: p50 and p99
# of MSP_SAMPLES requests (default 2000), each on a connection of its own, in
# microseconds: alone, beside the flood without a limit, and beside it with one
# of MSP_RATE a second (default 150). A request is sent each ten milliseconds,
# answered or not, so that it takes little more than a minute whatever is
# measured. The flood is 64 connections that ask again at once, and a process
# that makes new ones as fast as it can; flood_served is what of it the host
# has seen. It gives way to the others (nice 19), as a container does that has a
# CPU limit: what is left is what the agent costs them. Needs root; MSP_BUILD names the build.
. "$(dirname "$0")/../harness/sandbox.sh"

CLIENT=$(realpath "$(dirname "$0")/../e2e/limits/limited.py")
URL=/metadata/versions
SAMPLES=${MSP_SAMPLES:-2000}
RATE=${MSP_RATE:-150}
LONG=600 # seconds, more than any measurement takes
PAUSE_MS=10

document() { # MEMBERS
    policy "$(printf '{"mode":"enforce","defaultAccess":"allow","id":"t"%s}' \
        "$1")"
}

# client CONTAINER UID HOW MUCH [PAUSE_MS]
client() {
    SB_CLIENT_CG=work/$1 spawn_as "$2:$2" "$1" python3 "$CLIENT" "$3" \
        "$IMDS:80" "$URL" "$1" "${@:4}"
}

# value NAME NUMBER: printed, and kept for the report
value() {
    printf '%s %s\n' "$1" "$2"
    jq -n --arg n "$1" --argjson v "$2" '{($n): $v}' >>"$SB_DIR/values"
}

# percentile P: of the samples, in microseconds
percentile() {
    jq "(.us | sort) | .[length * $1 / 100 | floor]" "$SB_DIR/samples"
}

# measure WHAT: the quiet container's requests
measure() {
    client quiet 3001 steady "$SAMPLES" $PAUSE_MS >"$SB_DIR/samples"
    wait "$SB_LAST" || die "the client failed"
    value "samples_$1" "$(jq '.us | length' "$SB_DIR/samples")"
    value "served_$1" "$(jq '.results["200"] // 0' "$SB_DIR/samples")"
    value "p50_us_$1" "$(percentile 50)"
    value "p99_us_$1" "$(percentile 99)"
}

# flooded WHAT: the same with the other container at work
flooded() {
    local flood=()
    journal_mark
    for how in stubborn greedy; do
        client loud 3002 $how $LONG >/dev/null
        renice -n 19 -p "$SB_LAST" >/dev/null
        flood+=("$SB_LAST")
    done
    until_true 10 is_flooding || die "no flood"
    measure "$1"
    kill "${flood[@]}"
    wait "${flood[@]}" 2>/dev/null
    value "flood_served_$1" "$(journal_count '.client_id == "loud"')"
}

is_flooding() {
    (($(journal_count '.client_id == "loud"') >= 20))
}

sandbox_up
for ns in quiet loud; do
    make_netns $ns
    client_cgroup $ns
done
sandbox_start_sim
sandbox_start_mspd
push_policy "$(document '')"
client quiet 3001 steady 50 $PAUSE_MS >/dev/null
wait "$SB_LAST" || die "the client failed"
measure idle
flooded unlimited
push_policy "$(document ",\"rateLimit\":
    {\"requestsPerSecond\":$RATE,\"burst\":$((2 * RATE))}")"
flooded limited
for what in unlimited limited; do
    value "p99_ratio_$what" "$(jq -s "add | .p99_us_$what / .p99_us_idle * 100 |
        round / 100" "$SB_DIR/values")"
done
if [[ ${MSP_REPORT:-} ]]; then
    [[ -s $MSP_REPORT ]] || echo '{}' >"$MSP_REPORT"
    jq -s add "$SB_DIR/values" |
        jq --slurpfile all "$MSP_REPORT" '$all[0] + {flood: .}' \
            >"$MSP_REPORT.new" && mv "$MSP_REPORT.new" "$MSP_REPORT"
fi
SB_QUIET=1 ok "measured"
sandbox_done >/dev/null
