#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# 20,000 connections of four clients that share one address and one range of
# source ports, direct ones to the listener mixed in, and one phase with the
# listener's queue full and SYN cookies. Each client may ask one thing that the
# others may not, and now and then asks theirs: a wrong mark is a 403 where 200
# belongs, or a 200 where 403 belongs.
. "$(dirname "$0")/../../harness/sandbox.sh"

CLIENTS=(a b c d)
COUNT=${MSP_MARKS_COUNT:-5000} # of each client, in both phases together
BURST=600                      # of those, while nobody accepts

owner_rules() {
    local name i=0 privileges='' roles='' ids='' assign='' comma=''
    for name in "${CLIENTS[@]}"; do
        privileges+="$comma{\"name\":\"$name\",\"path\":\"/metadata/versions\","
        privileges+="\"queryParameters\":{\"owner\":\"$name\"}}"
        roles+="$comma{\"name\":\"$name\",\"privileges\":[\"$name\"]}"
        ids+="$comma{\"name\":\"$name\",\"uid\":$((3001 + i))}"
        assign+="$comma{\"role\":\"$name\",\"identities\":[\"$name\"]}"
        comma=,
        i=$((i + 1))
    done
    printf '{"privileges":[%s],"roles":[%s],"identities":[%s],' \
        "$privileges" "$roles" "$ids"
    printf '"roleAssignments":[%s]}' "$assign"
}

# phase NAME COUNT PARALLEL: all four at once, each in its own cgroup
phase() {
    local i name other pids=()
    for i in 0 1 2 3; do
        name=${CLIENTS[i]}
        other=${CLIENTS[(i + 1) % 4]}
        client_cgroup "$name"
        spawn_as "$((3001 + i)):$((5001 + i))" vm mspclient load \
            --id "$name-$1" --to "$IMDS:80" --count "$2" --parallel "$3" \
            --target "/metadata/versions?owner=$name" \
            --foreign "/metadata/versions?owner=$other" --foreign-every 7 \
            --direct "127.0.0.1:$PORT" --direct-every 5 \
            --ports 40000-41999 >"$SB_DIR/tmp/$1.$name"
        pids+=("$SB_LAST")
    done
    PHASE_PIDS=("${pids[@]}")
}

phase_wait() {
    local pid
    for pid in "${PHASE_PIDS[@]}"; do
        wait "$pid" || die "a client failed: $?"
    done
}

queue_is_full() {
    local waiting limit
    read -r _ waiting limit _ < <(in_ns vm ss -Hltn "sport = :$PORT")
    ((waiting >= limit))
}

# Results of one client as "own 200 N, foreign 403 N, direct EPERM N".
results_of() {
    jq -rs 'group_by(.kind) | map(.[0].kind + " " +
        (map(if .result == "ok" then (.status | tostring) else .result end) |
        group_by(.) | map("\(.[0]) \(length)") | join("+"))) | join(", ")' \
        "$SB_DIR/tmp"/*."$1"
}

# How many of each kind COUNT requests of one phase are.
kinds_of() {
    local n=$1 direct foreign
    direct=$(((n + 4) / 5))
    foreign=$(((n + 6) / 7 - (n + 34) / 35))
    echo "$direct $foreign $((n - direct - foreign))"
}

sandbox_up
in_ns vm sysctl -q net.core.somaxconn=128 net.ipv4.tcp_syncookies=2
sandbox_start_sim
sandbox_start_mspd
push_policy "$(policy "$(item enforce deny "$(owner_rules)")")"
PORT=$(listener_port)
for name in "${CLIENTS[@]}"; do
    client_cgroup "$name"
    declare "CG_$name=$SB_CLIENT_CG_ID"
done

proxy=$(child_pid mspd-proxy)
kill -STOP "$proxy"
phase full $BURST 120
check "the listener's queue was full" until_true 20 queue_is_full
kill -CONT "$proxy"
phase_wait
note "the full phase took until $SECONDS s"
phase free $((COUNT - BURST)) 32
phase_wait
note "the free phase took until $SECONDS s"

read -r d1 f1 o1 <<<"$(kinds_of $BURST)"
read -r d2 f2 o2 <<<"$(kinds_of $((COUNT - BURST)))"
for i in 0 1 2 3; do
    name=${CLIENTS[i]}
    cg=CG_$name
    check_eq "client $name: every answer is its own" "$(results_of "$name")" \
        "direct EPERM $((d1 + d2)), foreign 403 $((f1 + f2)), own 200 $((o1 + o2))"
    jq -r 'select(.kind == "own") | "\(.id)-\(.seq)"' "$SB_DIR/tmp"/*."$name" |
        sort >"$SB_DIR/tmp/asked"
    journal | jq -r --arg n "$name-" 'select(.signed == "valid" and
        .is_root == false and (.client_id | startswith($n))) | .client_id' |
        sort >"$SB_DIR/tmp/seen"
    check "client $name: the journal has each of its requests once, signed" \
        cmp "$SB_DIR/tmp/asked" "$SB_DIR/tmp/seen"
    tries=$(jq -s 'map(select(.kind != "direct") | .tries) | add' \
        "$SB_DIR/tmp"/*."$name")
    audit=$(audit_rows ".cgroup == ${!cg}" |
        jq -r '"\(.uid) \(.stage) \(.verdict) \(.reason) \(.count)"' |
        sort | paste -sd,)
    uid=$((3001 + i))
    check_eq "client $name: the audit map counts the same" "$audit" \
        "$uid connect allow redirected $tries,$uid connect deny listener-direct $((d1 + d2)),$uid request allow privilege $((o1 + o2)),$uid request deny not-assigned $((f1 + f2))"
done
check_eq "nothing else reached the host" "$(journal_count)" \
    "$((4 * (o1 + o2)))"

check_eq "no mark was lost on the way" "$(ctl --json status | jq -c '.stats |
    map(select(.name | IN("mark-publish-failed", "mark-move-failed",
        "storage-failed", "audit-dropped", "counter-other")) | .value)')" \
    '[0,0,0,0,0]'

# The connection log is rate-limited; what it has must name the right uid.
check_eq "every line of the connection log names its client's uid" \
    "$(jq -r 'select(.stage == "request") |
        (.target | capture("owner=(?<o>[a-d])&n=") | .o) as $o |
        select((.verdict == "allow") !=
            (.uid == 3001 + ($o | explode[0] - 97))) | .target' \
        "$SB_DIR/log/connection.log" | wc -l)" 0
check "the connection log has lines of these requests" \
    grep -q 'owner=' "$SB_DIR/log/connection.log"
sandbox_done
