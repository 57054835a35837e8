#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# Every map the programs write, filled to its limit and one more. Where a
# verdict needs the row, the connection is denied; where only a record does,
# the verdict is as ever. Either way a counter says so, and with room again all
# works as before, with nothing restarted.
. "$(dirname "$0")/../../harness/sandbox.sh"

USER=2001:3001
OTHER=2002:3002
NETNS_MAX=32768
HANDOFF_MAX=65536
HANDOFF_PER_PAYER=512
AUDIT_MAX=16384
COUNTERS_MAX=65536

get() {
    ask mspclient "$1" "$2" "$IMDS:80" /metadata/versions "$2"
}

# Both verdicts at once: the user is served, the other one is denied.
verdicts() {
    echo "$(get $USER vm) $(get $OTHER vm)"
}

stat_of() {
    ctl --json status | jq --arg n "$1" '.stats[] | select(.name == $n) | .value'
}

# grew CLAIM STAT BEFORE
grew() {
    local now
    now=$(stat_of "$2")
    check "$1: $2 says so ($3 -> $now)" test "$now" -gt "$3"
}

pin() {
    printf '%s/maps/%s' "$SB_DIR"/bpf/mspd/layout-* "$1"
}

# fill MAP WANTED [LESS]: to the limit, of which LESS rows are real ones
fill() {
    local n why
    read -r n why < <(mapfill fill "$(pin "$1")")
    check "$1: filled with $n rows of $2 until it refused one" \
        test "$why $((n <= $2 && n >= $2 - ${3:-64}))" = "full 1"
}

clear() {
    mapfill clear "$(pin "$1")" >/dev/null || die "cannot empty $1"
}

served_in() {
    [[ $(get "$USER" "$1") == 200 ]]
}

processes() {
    sort -n "$SB_CG/agent/cgroup.procs" | paste -sd,
}

sandbox_up
for ns in c1 c2 c3; do
    make_netns $ns
done
# connections nobody accepts wait as SYNs, each with its mark on its way
in_ns vm sysctl -q net.core.somaxconn=64 net.ipv4.tcp_syncookies=0
sandbox_start_sim
sim_mode imds=off
sandbox_start_mspd
push_policy "$(policy "$(item audit deny)")"
check_eq "where nothing is enforced both are served" "$(verdicts)" "200 200"
RULES=$(rules /metadata/versions '"uid":2001')
push_policy "$(policy "$(item enforce deny "$RULES")")"
check_eq "enforced, one is served" "$(verdicts)" "200 EPERM"
journal_mark
AGENT=$(processes)
client_cgroup main

# --- msp_netns: who has a listener ------------------------------------------
fill msp_netns $NETNS_MAX
check_eq "msp_netns full: who has a row goes on" "$(verdicts)" "200 EPERM"
for word in once again; do
    got=$(ctl --json netns add "$SB_DIR/ns/c1")
    code=$?
    check_eq "msp_netns full: netns add says so, $word" \
        "$code $(jq -r '"\(.result) \(.ready) \(.why)"' <<<"$got")" \
        "4 degraded false the table of namespaces (msp_netns) is full: connects there are denied until it has room"
done
client_cgroup c1-full
check_eq "msp_netns full: one more namespace is denied" "$(get $USER c1)" EPERM
check_eq "msp_netns full: the record says why" "$(audit_of_client)" \
    "connect deny no-listener"
check "msp_netns full: mspd says so" grep -q 'listeners.publish' \
    "$SB_DIR/mspd.log"
clear msp_netns
check "msp_netns: with room again it is served" until_true 10 served_in c1
check_eq "msp_netns: and netns add has nothing to say" \
    "$(ctl --json netns add "$SB_DIR/ns/c1" |
        jq -r '"\(.result) \(.ready) \(.why)"')" "ok true null"
client_cgroup main

# --- msp_pending: marks on their way, by payer --------------------------------
check "a listener in c2" ctl netns add "$SB_DIR/ns/c2"
pending() {
    mapfill "$1" "$(pin msp_pending)" "${@:2}"
}
none_pending() {
    [[ $(pending pending) == 0 ]]
}
pending past >/dev/null || die "cannot fill msp_pending"
check_eq "msp_pending: payers of the past leave room for one more" \
    "$(get $USER c2)" 200
pending taken 1 >/dev/null || die "cannot fill msp_pending"
for ns in c1 c2 vm c1 c2 vm; do
    check_eq "msp_pending: with one place left, $ns is served in its turn" \
        "$(get $USER $ns)" 200
done
check "msp_pending: whoever was served left his place" until_true 5 none_pending
pending taken >/dev/null || die "cannot fill msp_pending"
before=$(stat_of mark-publish-failed)
full=$(stat_of pending-full)
check_eq "msp_pending full: one more payer gets nothing" \
    "$(get $USER c2)" EOF
grew "msp_pending full" mark-publish-failed "$before"
grew "msp_pending full" pending-full "$full"
push_policy "$(policy "$(item enforce allow)")"
check_eq "msp_pending full: root of the host is served" "$(get 0:0 vm)" 200
pending untake >/dev/null || die "cannot empty msp_pending"
check_eq "msp_pending: with room again it is served" "$(get $USER c2)" 200

# --- what is kept of msp_handoff, and for whom ---------------------------------
# sum N: so many marks are on their way, of others
sum() {
    bpftool map update pinned "$(pin msp_pending_sum)" key 0 0 0 0 value \
        $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) 0
}
sum $((HANDOFF_MAX * 11 / 16))
check_eq "the rest is not for who pays by cgroup" "$(get $USER c2)" EOF
check_eq "but for users of the host" "$(get $USER vm)" 200
sum $((HANDOFF_MAX * 15 / 16))
check_eq "and the very last not for those" "$(get $USER vm)" EOF
check_eq "but for root" "$(get 0:0 vm)" 200
sum 0
check_eq "with room again all are served" \
    "$(get $USER c2) $(get $USER vm) $(get 0:0 vm)" "200 200 200"
push_policy "$(policy "$(item enforce deny "$RULES")")"

# --- msp_handoff --------------------------------------------------------------
fill msp_handoff $HANDOFF_MAX
before=$(stat_of mark-publish-failed)
seen=$(journal_count)
check_eq "msp_handoff full: nobody gets anything" "$(verdicts)" "EOF EPERM"
check_eq "msp_handoff full: nothing reaches the host" "$(journal_count)" "$seen"
grew "msp_handoff full" mark-publish-failed "$before"
clear msp_handoff
check_eq "msp_handoff: with room again" "$(verdicts)" "200 EPERM"

# --- one payer's share of it, by connections nobody accepts -------------------
check "a listener in c3" ctl netns add "$SB_DIR/ns/c3"
check_eq "c3 is served" "$(get $USER c3)" 200
before=$(stat_of pending-full)
proxy=$(child_pid mspd-proxy)
published=$(stat_of mark-published)
moved=$(stat_of mark-moved)
kill -STOP "$proxy"
clients=()
for i in 1 2 3 4 5; do
    spawn_as $USER vm mspclient load --id "p$i" --to "$IMDS:80" --count 1000 \
        --parallel 1000 --target '/metadata/versions?x=1' \
        >"$SB_DIR/tmp/pending.$i"
    clients+=("$SB_LAST")
done
share_is_used_up() {
    (($(stat_of pending-full) > before))
}
check "5000 connections at once are more than a payer's share" \
    until_true 15 share_is_used_up
grew "share used up" pending-full "$before"
waiting=$(($(stat_of mark-published) - published))
waiting=$((waiting - $(stat_of mark-moved) + moved))
check "no more than $HANDOFF_PER_PAYER marks wait ($waiting)" \
    test "$waiting" -le $HANDOFF_PER_PAYER
spawn_as $USER vm mspclient load --id late --to "$IMDS:80" --count 1 \
    --target '/metadata/versions?x=1' >"$SB_DIR/tmp/late"
late=$SB_LAST
spawn_as $USER c3 mspclient load --id c3 --to "$IMDS:80" --count 1 \
    --target '/metadata/versions?x=1' >"$SB_DIR/tmp/c3"
c3=$SB_LAST
is_waiting() {
    [[ $(in_ns c3 ss -Htn state established "dport = :$PORT3") ]]
}
PORT3=$(ctl --json netns list | jq -r --arg p "$SB_DIR/ns/c3" \
    '.netns[] | select(.path == $p) | .port')
check "another payer still gets its connection" until_true 5 is_waiting
kill -KILL "${clients[@]}"
kill -CONT "$proxy"
wait "$late" "$c3"
# closed without an answer: a FIN, or a RST if its request came first
check_eq "share used up: one more got nothing" \
    "$(jq -r '"\(.result | sub("ECONNRESET"; "eof")) \(.status)"' \
        "$SB_DIR/tmp/late")" "eof 0"
check_eq "share used up: another payer was served all the same" \
    "$(jq -r '"\(.result) \(.status)"' "$SB_DIR/tmp/c3")" "ok 200"
check_eq "share: with room again" "$(verdicts)" "200 EPERM"
check "share: of $waiting marks that waited none is counted any more" \
    until_true 5 none_pending

# --- records: no verdict depends on them ---------------------------------------
fill msp_counters $COUNTERS_MAX
before=$(stat_of counter-other)
client_cgroup counters
check_eq "msp_counters full: the verdicts stand" "$(verdicts)" "200 EPERM"
grew "msp_counters full" counter-other "$before"
clear msp_counters
before=$(stat_of counter-other)
client_cgroup counters2
check_eq "msp_counters: with room again" "$(verdicts)" "200 EPERM"
check_eq "msp_counters: and counted on its own row" \
    "$(stat_of counter-other)" "$before"

lost() {
    ctl --json "$1" | jq "$2"
}
check_eq "msp_audit: nothing was lost so far" \
    "$(lost status .audit.evicted) $(lost audit .evicted)" "0 0"
check_eq "msp_audit: status has as many rows as are shown" \
    "$(lost status .audit.rows)" "$(audit_rows .count | wc -l)"
push_policy "$(policy "$(item enforce deny "$RULES")" \
    "$(item enforce deny "$RULES")" "$(item enforce deny "$RULES")")"
client_cgroup flood
check_eq "msp_audit: 20400 callers, each denied" \
    "$(run_as 0:0 vm python3 "$(dirname "$0")/flood.py" \
        "$SB_CG/$SB_CLIENT_CG" 400 5000 "$IMDS:80" "$WIRE:80" "$WIRE:32526")" \
    20400
check "msp_audit full: status says how many rows it lost" \
    test "$(lost status .audit.evicted)" -ge $((20400 - AUDIT_MAX))
check_eq "msp_audit full: each that was made is there or lost" \
    "$(lost status '.audit.rows + .audit.evicted')" "$(stat_of audit-inserted)"
check_eq "msp_audit full: audit says the same" "$(lost audit .evicted)" \
    "$(lost status .audit.evicted)"
client_cgroup flooded
check_eq "msp_audit full: the verdicts stand" "$(verdicts)" "200 EPERM"
check_eq "msp_audit full: the newest are there" "$(audit_of_client | wc -l)" 3
for map in msp_audit msp_aud_uids; do
    mapfill fill "$(pin $map)" $((2 * AUDIT_MAX)) >/dev/null ||
        die "cannot fill $map"
    before=$(stat_of audit-dropped)
    client_cgroup "$map"
    check_eq "$map full: the verdicts stand" "$(verdicts)" "200 EPERM"
    rows=$(audit_of_client | paste -sd,)
    now=$(stat_of audit-dropped)
    check "$map full: recorded in place of older rows, or counted as lost" \
        test "$((now > before))$rows" != 0
    check_eq "$map full: the newest are there" "$rows" \
        "connect allow redirected,connect deny no-rule-for-you,request allow privilege"
    clear $map
    client_cgroup "$map-after"
    check_eq "$map: with room again" "$(verdicts)" "200 EPERM"
    check_eq "$map: and recorded" "$(audit_of_client | wc -l)" 3
done

# --- msp_ring: mspd does not come to drain it ----------------------------------
before=$(stat_of ring-dropped)
client_cgroup ring
kill -STOP "$SB_MSPD"
run_as $OTHER vm mspclient load --id ring --to "$IMDS:80" --count 10000 \
    >"$SB_DIR/tmp/ring"
check_eq "msp_ring full: the verdicts stand" "$(verdicts)" "200 EPERM"
kill -CONT "$SB_MSPD"
check_eq "msp_ring full: all 10000 were denied" \
    "$(jq -r .result "$SB_DIR/tmp/ring" | sort | uniq -c | xargs)" \
    "10000 EPERM"
grew "msp_ring full" ring-dropped "$before"
check_eq "msp_ring full: the audit map counted them all the same" \
    "$(audit_rows ".cgroup == $SB_CLIENT_CG_ID and .verdict == \"deny\"" |
        jq .count)" 10001
client_cgroup ring2
log_mark
before=$(stat_of ring-dropped)
check_eq "msp_ring: with room again" "$(verdicts)" "200 EPERM"
check "msp_ring: and logged" log_wait 1 \
    ".cgroup == $SB_CLIENT_CG_ID and .verdict == \"deny\""
check_eq "msp_ring: nothing more is dropped" "$(stat_of ring-dropped)" "$before"

check_eq "nothing was restarted" "$(processes)" "$AGENT"
check_eq "nothing went out unsigned" "$(journal_count '.signed != "valid"')" 0
sandbox_done
