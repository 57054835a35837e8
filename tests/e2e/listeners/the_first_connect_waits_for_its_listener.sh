#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# Network namespaces without a listener: the first process there connects before
# anything sleeps, and is served, whether it blocks or not. Who is denied gets
# his error at once and no listener is made for him. MSP_NAMESPACES says how
# many (100).
. "$(dirname "$0")/../../harness/sandbox.sh"

USER=2001
COUNT=${MSP_NAMESPACES:-100}
tries=0

# crowd OPTIONS... : results, one a line; times are in $SB_DIR/tmp/crowd
crowd() {
    run_as 0:0 vm netnses "$@" >"$SB_DIR/tmp/crowd" || return 1
    jq -r '.results | to_entries[] | "\(.value) x \(.key)"' \
        "$SB_DIR/tmp/crowd" | sort
}

times() {
    note "$1: $(jq -r '"slowest \(.slowest_ms) ms, median \(.median_ms) ms"' \
        "$SB_DIR/tmp/crowd")"
}

listeners() {
    ctl --json netns list | jq .listeners
}

none_but_own() {
    [[ $(listeners) == 1 ]]
}

rows() {
    bpftool -j map dump pinned "$SB_DIR/bpf/mspd/layout-4/maps/msp_netns" |
        jq length
}

sandbox_up
sandbox_start_sim
sandbox_start_mspd
each=$SB_CG/work/each
mkdir "$each"
push_policy "$(policy "$(item disabled allow)")"
check_eq "with enforcement off there is not even a route" \
    "$(crowd -u $USER -c "$each" "$IMDS:80" 3)" "3 x ENETUNREACH"
push_policy "$(policy "$(item enforce deny \
    "$(rules /metadata/versions "\"uid\":$USER")")")"
journal_mark

check_eq "$COUNT at once, agent idle: all are served" \
    "$(crowd -u $USER -c "$each" "$IMDS:80" "$COUNT")" "$COUNT x 200"
times "$COUNT at once"
check_eq "one after the other" \
    "$(crowd -u $USER -p 1 "$IMDS:80" 20)" "20 x 200"
times "one after the other"
check_eq "without blocking" \
    "$(crowd -n -u $USER -c "$each" "$IMDS:80" 20)" "20 x 200"
times "without blocking"
check_eq "by a mapped address" \
    "$(crowd -u $USER -c "$each" "[::ffff:$IMDS]:80" 5)" "5 x 200"
check_eq "the host saw each signed" \
    "$(journal_count '.signed == "valid"')/$(journal_count)" \
    "$((COUNT + 45))/$((COUNT + 45))"
check "all listeners go with their namespaces" until_true 30 none_but_own
check_eq "and so do their rows" "$(rows)" 1

# In audit it goes out as it is, and the next one finds the listener.
in_ns sim ip link add veth-c1 type veth peer name eth0
make_netns c1
in_ns sim ip link set eth0 netns "$SB_DIR/ns/c1"
in_ns sim ip addr add 10.97.1.1/30 dev veth-c1
in_ns sim ip link set veth-c1 up
in_ns c1 ip addr add 10.97.1.2/30 dev eth0
in_ns c1 ip link set eth0 up
in_ns c1 ip route add "$IMDS/32" via 10.97.1.1
push_policy "$(policy "$(item audit deny)")"
sim_mode imds=off
is_redirected() {
    journal_mark
    client_cgroup "audit-$((++tries))"
    [[ $(ask curl 2002:3002 c1 "$IMDS:80" /metadata/versions audit) == 200 &&
        $(audit_of_client | head -n 1) == "connect allow redirected" &&
        $(journal_count '.signed == "valid"') == 1 ]]
}
client_cgroup audit
check_eq "audit: served" \
    "$(ask curl 2002:3002 c1 "$IMDS:80" /metadata/versions audit)" 200
check_eq "directly" "$(audit_of_client)" "connect direct direct-agent-away"
check "and then by the listener that was made" until_true 5 is_redirected
umount "$SB_DIR/ns/c1"
check "which goes as well" until_true 30 none_but_own
sim_mode imds=enforce
push_policy "$(policy "$(item enforce deny \
    "$(rules /metadata/versions "\"uid\":$USER")")")"

check_eq "who may not is denied" \
    "$(crowd -u 2002 -c "$each" "$IMDS:80" 20)" "20 x EPERM"
check_eq "and no listener is made for him" "$(listeners) $(rows)" "1 1"
sandbox_done
