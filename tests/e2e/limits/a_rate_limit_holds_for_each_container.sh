#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# rateLimit: from outside, on the host's side of the wire, one container gets
# its burst and then its rate and no more, however it asks and whatever for; who waits as he is
# told is served, on the same connection; another container notices nothing.
# The records have a reason of their own; audit records and refuses nobody; a
# push leaves the buckets alone unless it changes the limit.
. "$(dirname "$0")/../../harness/sandbox.sh"

CLIENT=$(realpath "$(dirname "$0")/limited.py")
URL=/metadata/versions
SECONDS_LONG=4

# item_of MODE MEMBERS
item_of() {
    printf '{"mode":"%s","defaultAccess":"allow","id":"t"%s}' "$1" "$2"
}

# limit MODE RATE BURST [ONDENY]
limit() {
    push_policy "$(policy "$(item_of "$1" ",\"rateLimit\":{
        \"requestsPerSecond\":$2,\"burst\":$3}${4:+,\"onDeny\":\"$4\"}")")"
}

# A container: a cgroup, a network namespace, a user. client NAME HOW ID MUCH [URL]
client() {
    SB_CLIENT_CG=work/$1 run_as "${WHO[$1]}" "$1" python3 "$CLIENT" "$2" \
        "$IMDS:80" "${5:-$URL}" "$3" "$4"
}

# of JSON RESULT: how often
of() {
    jq --arg r "$2" '.results[$r] // 0' <<<"$1"
}

at_host() {
    journal_count ".client_id == \"$1\""
}

# within N BURST RATE LEAST MOST: as many as there were tokens in so many seconds,
# less what came back while nobody asked
within() {
    jq -en "$1 <= ($2 + $3 * $5 + 1 | floor) and $1 >= $2 + $3 * $4 / 2" \
        >/dev/null
}

# Takes all tokens out of all buckets, for longer than any test lasts: of a row
# of the table the first half is times, eight bytes each.
drain() {
    local pin key row
    pin=$(printf '%s/maps/msp_rates' "$SB_DIR"/bpf/mspd/layout-*)
    bpftool -j map dump pinned "$pin" >"$SB_DIR/tmp/rows"
    while IFS=, read -r key row; do
        # shellcheck disable=SC2086
        bpftool map update pinned "$pin" key hex $key value hex $row ||
            die "cannot empty a bucket"
    done < <(jq -r '.[] | (.value | length / 2) as $half |
        .value[:$half] as $times | select($times | any(. != "0x00")) |
        [.key, ([range(0; $half; 8) as $i | $times[$i:$i + 8] |
            if any(. != "0x00") then [range(7) | "0xff"] + ["0x00"]
            else . end] | add) + .value[$half:]] |
        map(map(ltrimstr("0x")) | join(" ")) | join(",")' "$SB_DIR/tmp/rows")
}

reasons() {
    audit_rows ".cgroup == $1" | jq -r '"\(.stage) \(.verdict) \(.reason)"' |
        sort -u | paste -sd,
}

denied_of() {
    audit_rows ".cgroup == $1 and .reason == \"rate-limited\"" |
        jq -s 'map(.count) | add // 0'
}

sandbox_up
declare -A WHO=([c1]=2001:3001 [c2]=2002:3002 [c3]=2003:3003 [c4]=2004:3004
    [c5]=2005:3005 [c6]=2006:3006) ID
for ns in "${!WHO[@]}"; do
    make_netns "$ns"
    client_cgroup "$ns"
    ID[$ns]=$SB_CLIENT_CG_ID
done
sandbox_start_sim
sandbox_start_mspd

# --- without a limit -----------------------------------------------------------
push_policy "$(policy "$(item_of enforce '')")"
check_eq "without a limit all are served" \
    "$(of "$(client c1 burst none 60)" 200)" 60

# --- a burst, and a connection that stays --------------------------------------
limit enforce 1 5
journal_mark
got=$(client c1 burst first 8)
check "five at once, then 429 on the same connection" jq -en "$got |
    .results[\"200\"] >= 5 and .results[\"429\"] > 0 and .connects == 1"
check_eq "Retry-After is a second" "$(jq -c .retry_after <<<"$got")" "[1]"
check_eq "the host has seen those alone" "$(at_host first)" "$(of "$got" 200)"
check_eq "another container has a bucket of its own" \
    "$(of "$(client c2 burst second 5)" 200)" 5
check_eq "its records say nothing of a limit" "$(reasons "${ID[c2]}")" \
    "connect allow redirected,request allow default-allow"

# --- who waits as he is told ------------------------------------------------------
limit enforce 1 2
got=$(client c1 patient waits 4)
check_eq "who waits is served on one connection" \
    "$(jq -c '[.results["200"], .connects]' <<<"$got")" "[4,1]"
check "and was told to" test "$(of "$got" 429)" -gt 0

# --- who never waits, with another one beside him ----------------------------------
for how in greedy stubborn; do
    limit enforce 5 $((10 + ${#how})) # another limit: buckets are full
    journal_mark
    log_mark
    begin=$EPOCHREALTIME
    (client c3 $how flood-$how $SECONDS_LONG >"$SB_DIR/tmp/flood") &
    flood=$!
    SB_PIDS+=("$flood")
    check_eq "$how: beside him another one is served" \
        "$(of "$(client c4 burst beside-$how 10)" 200)" 10
    wait "$flood"
    got=$(cat "$SB_DIR/tmp/flood")
    # what is on its way when the client ends is served if there is a token
    seen=$(at_host flood-$how)
    most=$(jq -n "$EPOCHREALTIME - $begin")
    note "$how: $(jq -c '[.seconds, .results]' <<<"$got"), $seen at the host"
    check "$how: the host has seen the burst and the rate, no more" \
        within "$seen" $((10 + ${#how})) 5 $SECONDS_LONG "$most"
    check "$how: who was served was served by the host" \
        test "$(of "$got" 200)" -le "$seen"
    check "$how: the log says why" \
        log_wait 1 ".reason == \"rate-limited\" and .cgroup == ${ID[c3]}"
done
check "connects are refused where the bucket is empty" \
    test "$(audit_rows ".cgroup == ${ID[c3]} and .stage == \"connect\" and
        .reason == \"rate-limited\"" | jq -s 'map(.count) | add // 0')" -gt 0
check "and requests of connections that are open" \
    test "$(audit_rows ".cgroup == ${ID[c3]} and .stage == \"request\" and
        .reason == \"rate-limited\"" | jq -s 'map(.count) | add // 0')" -gt 0
check "the counters count them" test "$(ctl --json status |
    jq '.stats[] | select(.name == "rate-limited") | .value')" -gt 0
check_eq "status shows the limit" "$(ctl --json status | jq -c \
    '.endpoints[] | select(.name == "imds") | [.rate_per_s, .rate_burst]')" \
    "[5,18]"

# --- who floods with what is refused ----------------------------------------------
limit enforce 5 12
got=$(client c3 stubborn refused $SECONDS_LONG /metadata/../versions)
note "refused: $(jq -c '[.seconds, .connects, .results]' <<<"$got")"
# each connection waits a second at a time once the bucket is empty
check "a flood of refused requests waits as well" jq -en "$got |
    .results[\"400\"] >= 12 and .results[\"400\"] <= .connects * (.seconds + 2) + 12 + 5 * .seconds"
check "and takes the tokens: connects are refused" jq -en "$got |
    .results.EPERM > 0"

# --- what a refused connect sees ---------------------------------------------------
n=20
while read -r how wanted; do
    n=$((n + 1))
    limit enforce 1 $n "$how" # never the same limit twice
    client c5 burst takes 1 >/dev/null
    drain
    SB_CLIENT_CG=work/c5
    check_eq "onDeny $how: with an empty bucket" \
        "$(ask mspclient "${WHO[c5]}" c5 "$IMDS:80" "$URL" x)" "$wanted"
done <<<'eperm EPERM
refuse ECONNREFUSED
http 429'

# --- a push -----------------------------------------------------------------------
limit enforce 1 40
got=$(client c5 burst before 40)
check_eq "a new limit is a full bucket" "$(of "$got" 200)" 40
drain
push_policy "$(policy "$(item_of enforce ',"rateLimit":{"requestsPerSecond":1,
    "burst":40},"onDeny":"http"')" "$(item_of audit '')")"
got=$(client c5 burst after 1)
check_eq "a push that does not change it leaves the bucket" "$(of "$got" 429)" 1

# --- audit ------------------------------------------------------------------------
check "a listener for the last one" ctl netns add "$SB_DIR/ns/c6"
limit audit 1 3
got=$(client c6 burst audited 10)
check_eq "audit refuses nobody" "$(of "$got" 200)" 10
check_eq "audit records it" "$(reasons "${ID[c6]}")" \
    "connect allow redirected,request allow default-allow,request audit rate-limited"
check "as often as it would have refused ($(denied_of "${ID[c6]}"))" \
    test "$(denied_of "${ID[c6]}")" -ge 5
sandbox_done
