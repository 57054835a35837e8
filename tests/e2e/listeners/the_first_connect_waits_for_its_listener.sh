#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# Network namespaces without a listener: the first process there connects before
# anything sleeps, and is served, whether it blocks or not. Who is denied gets
# his error at once and no listener is made for him. MSP_NAMESPACES says how
# many (100).
. "$(dirname "$0")/../../harness/sandbox.sh"
. "$(dirname "$0")/common.sh"

COUNT=${MSP_NAMESPACES:-100}
tries=0

times() {
    note "$1: $(jq -r '"slowest \(.slowest_ms) ms, median \(.median_ms) ms"' \
        "$SB_DIR/tmp/crowd")"
}

sandbox_up
sandbox_start_sim
sandbox_start_mspd
each=$SB_CG/work/each
mkdir "$each"
push_policy "$(policy "$(item disabled allow)")"
check_eq "with enforcement off there is not even a route" \
    "$(crowd -c "$each" "$IMDS:80" 3)" "3 x ENETUNREACH"
allow_user
journal_mark

check_eq "$COUNT at once, agent idle: all are served" \
    "$(crowd -c "$each" "$IMDS:80" "$COUNT")" "$COUNT x 200"
times "$COUNT at once"
check_eq "one after the other" \
    "$(crowd -p 1 "$IMDS:80" 20)" "20 x 200"
times "one after the other"
check_eq "without blocking" \
    "$(crowd -n -c "$each" "$IMDS:80" 20)" "20 x 200"
times "without blocking"
check_eq "by a mapped address" \
    "$(crowd -c "$each" "[::ffff:$IMDS]:80" 5)" "5 x 200"
check_eq "the host saw each signed" \
    "$(journal_count '.signed == "valid"')/$(journal_count)" \
    "$((COUNT + 45))/$((COUNT + 45))"
check "all listeners go with their namespaces" until_true 30 has_listeners 1
check_eq "and so do their rows" "$(rows)" 1xREADY

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
check "netns add of one that is served" ctl netns add "$SB_DIR/ns/c1"
check_eq "keeps the path" "$(ctl --json netns list |
    jq -r '.netns[] | select(.own | not) | "\(.path) \(.on_demand)"')" \
    "$SB_DIR/ns/c1 false"
umount "$SB_DIR/ns/c1"
check "which goes as well" until_true 30 has_listeners 1
sim_mode imds=enforce
allow_user

check_eq "who may not is denied" \
    "$(crowd -u 2002 -c "$each" "$IMDS:80" 20)" "20 x EPERM"
check_eq "and no listener is made for him" "$(listeners) $(rows)" "1 1xREADY"
sandbox_done
