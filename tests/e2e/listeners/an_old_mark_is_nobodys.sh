#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# A verdict is of its moment. A client that makes its SYN wait, for a listener by
# many retries or for its own data by a deferred Fast Open, is served while the
# verdict is young and not afterwards; what was kept of it does not lie around.
. "$(dirname "$0")/../../harness/sandbox.sh"
. "$(dirname "$0")/common.sh"

OLD=5.2 # s, more than MSP_HANDOFF_NS

stat_of() {
    ctl --json status | jq "[.stats[] | select(.name == \"$1\") | .value] |
        add // 0"
}

on_their_way() {
    bpftool -j map dump pinned "$(map msp_handoff)" | jq length
}

are_on_their_way() {
    [[ $(on_their_way) == "$1" ]]
}

reasons() {
    audit_of_client | sed 's/^connect //' | paste -sd,
}

# deferred SECONDS: status of a request so long after its connect
deferred() {
    local pid
    rm -f "$SB_DIR/tmp/go"
    spawn_as "$USER:3001" vm mspclient steps "deferred=$IMDS:80" \
        "until=$SB_DIR/tmp/go" request=/metadata/versions \
        >"$SB_DIR/tmp/deferred"
    pid=$SB_LAST
    until_true 5 grep -q '"deferred"' "$SB_DIR/tmp/deferred"
    sleep "$1"
    touch "$SB_DIR/tmp/go"
    wait "$pid"
    jq -r 'select(.step == "request") | .status' "$SB_DIR/tmp/deferred"
}

sandbox_up
in_ns vm sysctl -q net.ipv4.tcp_fastopen=1543
sandbox_start_sim
sandbox_start_mspd
allow_user
journal_mark

# Served again while it is young: the first SYN of the next retry that finds a
# listener.
client_cgroup young
rm -f "$SB_DIR/tmp/go"
background young -r 20 -g "$SB_DIR/tmp/go" "$IMDS:80" 1
kill -STOP "$SB_MSPD"
touch "$SB_DIR/tmp/go"
check "one waits" until_true 5 are_on_their_way 1
sleep 2
kill -CONT "$SB_MSPD"
wait "$SB_LAST"
check_eq "a patient client, 2 s: served" "$(results_of young)" "1 x 200"

client_cgroup old
rm -f "$SB_DIR/tmp/go"
background old -n -r 20 -g "$SB_DIR/tmp/go" -t 20000 "$IMDS:80" 1
kill -STOP "$SB_MSPD"
touch "$SB_DIR/tmp/go"
check "one waits" until_true 5 are_on_their_way 1
sleep "$OLD"
kill -CONT "$SB_MSPD"
wait "$SB_LAST"
got=$(results_of old)
check "$OLD s: not served: $got" test "$got" != "1 x 200"
check_eq "and the record says why" "$(reasons)" \
    "allow redirected,deny listener-late"
check_eq "counted" "$(stat_of mark-old)" 1

# Nobody makes the listener, and the client waits on and on.
client_cgroup waits
rm -f "$SB_DIR/tmp/go"
background waits -n -r 127 -g "$SB_DIR/tmp/go" -t 12000 "$IMDS:80" 1
kill -STOP "$SB_MSPD"
touch "$SB_DIR/tmp/go"
check "one waits" until_true 5 are_on_their_way 1
check "what was kept of it goes with its next SYN" until_true 9 \
    are_on_their_way 0
check "though it waits still" kill -0 "$SB_LAST"
kill -CONT "$SB_MSPD"
wait "$SB_LAST"
check_eq "and is not served" "$(results_of waits)" "1 x timeout"
check_eq "the record says why" "$(reasons)" \
    "allow redirected,deny listener-late"

client_cgroup deferred
check_eq "its SYN leaves with its data, at once: served" "$(deferred 0)" 200
check_eq "$OLD s later: not" "$(deferred "$OLD")" 0
check_eq "the record says why" "$(reasons)" \
    "allow redirected,deny listener-late,request allow privilege"
check_eq "each is counted" "$(stat_of mark-old)" 3
check_eq "nothing of them is left" "$(on_their_way)" 0
check_eq "who was served was signed for" \
    "$(journal_count '.signed == "valid"')/$(journal_count)" 2/2
sandbox_done
