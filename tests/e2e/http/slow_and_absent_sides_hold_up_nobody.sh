#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# Clients and hosts that are slow, stop, reset or go away in the middle get what
# their deadline says, each from the other side what is its due: a status, an
# answer that is seen to be cut short, and never a byte of another's. A host that
# is not there is told at once: refused in no time, silent in two seconds, and
# then without a wait. A host's 429 and 5xx come through with Retry-After. Who
# asks a host that is well meanwhile is served.
. "$(dirname "$0")/../../harness/sandbox.sh"

HOST=10.97.0.1
AWAY=10.98.0.1 # routed to the host's side, which drops what is not its own
PORT=8080
USER=2001:3001

endpoints() {
    jq -nc --argjson imds "$(item enforce allow)" --arg host "$HOST/32" \
        --arg away "$AWAY/32" --argjson port "$PORT" \
        --argjson all "$(item enforce allow)" '{"version": 1, "endpoints": {
            "imds": $imds, "wireserver": $imds, "hostga": $imds,
            "odd": ($all + {"addresses": [$host], "ports": [$port, 9],
                "sign": true}),
            "away": ($all + {"addresses": [$away], "ports": [$port],
                "sign": true})}}'
}

# one URL: status and reason, and the milliseconds it took
timed() {
    local start=${EPOCHREALTIME/[.,]/}
    GOT=$(http_code "$USER" vm "$1" -D "$SB_DIR/tmp/head")
    MS=$(((${EPOCHREALTIME/[.,]/} - start) / 1000))
    GOT+=" $(jq -r .reason "$SB_DIR/tmp/body")"
}

sandbox_up
in_ns vm ip route add "$AWAY/32" via "$HOST"
sandbox_start_sim
sandbox_start_mspd
push_policy "$(endpoints)"
(exec_in "$SB_HOST_CG" nsenter --net="$SB_DIR/ns/sim" -- /usr/bin/python3 -B \
    "$MSP_SOURCE/tests/e2e/http/slow.py" host "$HOST" "$PORT" \
    "$SB_DIR/tmp/ready") &
SB_PIDS+=("$!")
check "the odd host is there" until_true 10 test -s "$SB_DIR/tmp/ready"

run_as "$USER" vm /usr/bin/python3 -B "$MSP_SOURCE/tests/e2e/http/slow.py" \
    ask "$HOST" "$PORT" >"$SB_DIR/tmp/rows" &
rows=$!

timed "http://$HOST:9/"
check_eq "a host that refuses is 502" "$GOT" "502 connect-failed"
check "at once: $MS ms" [ "$MS" -lt 1000 ]
timed "http://$AWAY:$PORT/"
check_eq "a host that drops is 504" "$GOT" "504 connect-timeout"
check "after two seconds: $MS ms" [ "$MS" -ge 1900 ]
timed "http://$AWAY:$PORT/"
check_eq "who asks next is told" "$GOT" "503 host-away"
check "at once: $MS ms" [ "$MS" -lt 1000 ]
check "and when to come again" grep -qi '^retry-after: 1' "$SB_DIR/tmp/head"

# 100 clients of a host that is away: nobody waits longer than one connect
start=${EPOCHREALTIME/[.,]/}
run_as "$USER" vm mspclient load --to "$AWAY:$PORT" --target '/?x' \
    --count 400 --parallel 100 >"$SB_DIR/tmp/many"
MS=$(((${EPOCHREALTIME/[.,]/} - start) / 1000))
check_eq "400 requests to it, 100 at a time, are all refused" \
    "$(jq -s 'map(select(.status == 503 or .status == 504)) | length' \
        "$SB_DIR/tmp/many")" 400
check "in less than 6 s: $MS ms" [ "$MS" -lt 6000 ]

served=0
for _ in {1..50}; do
    [[ $(ask client "$USER" vm "$IMDS:80" /metadata/versions x) != 200 ]] ||
        served=$((served + 1))
done
check_eq "meanwhile IMDS serves everybody" "$served" 50
wait "$rows"
while IFS= read -r row; do
    check_eq "${row%%:*}" "${row#*: }" ok
done <"$SB_DIR/tmp/rows"
check_eq "all rows were asked" "$(wc -l <"$SB_DIR/tmp/rows")" 19
check_eq "and who asks now is served" \
    "$(ask client "$USER" vm "$HOST:$PORT" /plain x)" 200
sandbox_done
