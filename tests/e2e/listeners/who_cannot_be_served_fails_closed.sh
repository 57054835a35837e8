#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# What stands in the way of a listener, and what the client sees of it: ports
# that are taken, loopback down, a device, an agent that does not answer, a
# client that is gone. Nobody else ever gets what was meant for the listener.
. "$(dirname "$0")/../../harness/sandbox.sh"
. "$(dirname "$0")/common.sh"

has_procs() {
    (($(wc -l <"$SB_CG/$SB_CLIENT_CG/cgroup.procs") == $1))
}

# Each in a user namespace that is not the parent's.
have_moved() {
    local pid n=0
    while read -r pid; do
        [[ $(readlink "/proc/$pid/ns/user") == "$(readlink /proc/$$/ns/user)" ]] ||
            ((n++))
    done <"$SB_CG/$SB_CLIENT_CG/cgroup.procs"
    ((n == 4))
}

are_served() {
    [[ $(crowd -c "$each" "$IMDS:80" 4) == "4 x 200" ]]
}

# audit rows of one client cgroup: "verdict reason" lines
reasons() {
    audit_of_client | sed 's/^connect //' | paste -sd,
}

sandbox_up
sandbox_start_sim
sandbox_start_mspd
each=$SB_CG/work/each
mkdir "$each"
allow_user
check_eq "with nothing in the way: served" "$(crowd "$IMDS:80" 1)" "1 x 200"
journal_mark

client_cgroup squat
check_eq "somebody listens at the first port: another one is taken" \
    "$(crowd -s "$IMDS:80" 2)" "2 x 200"
client_cgroup all
check_eq "on all ports: denied" "$(crowd -S "$IMDS:80" 1)" "1 x EPERM"
check_eq "and the record says why" "$(reasons)" "deny no-listener"
client_cgroup bound
check_eq "somebody has bound it and does not listen: this connect fails" \
    "$(crowd -B "$IMDS:80" 1)" "1 x ETIMEDOUT"
check_eq "and the record says why" "$(reasons)" \
    "allow redirected,deny listener-late"
client_cgroup down
check_eq "loopback is down" "$(crowd -d "$IMDS:80" 1)" "1 x ENETUNREACH"
client_cgroup device
check_eq "bound to a device: denied" "$(crowd -b lo "$IMDS:80" 1)" "1 x EPERM"
check_eq "and the record says why" "$(reasons)" "deny bound-device"
check_eq "who was served was signed for" \
    "$(journal_count '.signed == "valid"')/$(journal_count)" 2/2
check "nothing is left" until_true 30 has_listeners 1

# The agent is held up: for half a second, for longer than six retries last.
# What is waited for here is time itself.
for held_up in 0.5 1.2; do
    client_cgroup "late-$held_up"
    rm -f "$SB_DIR/tmp/go"
    background late -g "$SB_DIR/tmp/go" "$IMDS:80" 8
    check "eight are there" until_true 10 has_procs 9
    kill -STOP "$SB_MSPD"
    touch "$SB_DIR/tmp/go"
    sleep "$held_up"
    kill -CONT "$SB_MSPD"
    wait "$SB_LAST"
    check_eq "mspd stopped for $held_up s: all are served" \
        "$(results_of late)" "8 x 200"
    note "$(cat "$SB_DIR/tmp/late")"
done

client_cgroup stopped
kill -STOP "$SB_MSPD"
check_eq "mspd stopped: nobody is served" \
    "$(crowd -c "$each" "$IMDS:80" 4)" "4 x ETIMEDOUT"
sleep 5
check_eq "5 s after its last sign of life they are denied at once" \
    "$(crowd -c "$each" "$IMDS:80" 4)" "4 x EPERM"
kill -CONT "$SB_MSPD"
check "it goes on: served" until_true 5 are_served
check "nothing is left" until_true 30 has_listeners 1

# Of one cgroup eight may wait; the ninth need not. They are patient, so that
# there is time to look.
client_cgroup crowd
rm -f "$SB_DIR/tmp/go"
background nine -r 10 -g "$SB_DIR/tmp/go" -t 60000 "$IMDS:80" 12
check "twelve are there" until_true 10 has_procs 13
kill -STOP "$SB_MSPD"
touch "$SB_DIR/tmp/go"
check "so many wait as may" until_true 10 has_tickets 8
check "and no more" has_tickets 8
check_eq "another cgroup is served beside them" "$(
    kill -CONT "$SB_MSPD"
    client_cgroup other
    crowd "$IMDS:80" 1)" "1 x 200"
wait "$SB_LAST"
check_eq "eight of twelve waited" \
    "$(results_of nine | sort | paste -sd,)" "4 x EPERM,8 x 200"
check "the tickets are given back" until_true 5 has_tickets 0

# The client is gone before anybody looks.
client_cgroup gone
check "the listeners of before are gone" until_true 30 has_listeners 1
kill -STOP "$SB_MSPD"
check_eq "who does not wait" "$(crowd -n -t 1 "$IMDS:80" 4)" "4 x timeout"
check_eq "his rows wait" "$(rows)" "4xPARKED,1xREADY"
kill -CONT "$SB_MSPD"
check "they go when mspd finds nobody there" until_true 5 has_rows \
    1xREADY
check_eq "the next one is served" "$(crowd "$IMDS:80" 1)" "1 x 200"

# He has moved on to another namespace: that is no fault of the one he asked for.
client_cgroup moved
check "the listeners of before are gone" until_true 30 has_listeners 1
kill -STOP "$SB_MSPD"
background moved -n -m "$IMDS:80" 4
check "four have asked" until_true 10 has_rows 4xPARKED,1xREADY
check "and are elsewhere" until_true 10 have_moved
kill -CONT "$SB_MSPD"
check "mspd has looked at each" until_true 3 has_tickets 0
check_eq "none has to wait before it may ask again" "$(rows)" 1xREADY
wait "$SB_LAST"
check_eq "they were not served there" "$(results_of moved)" "4 x ETIMEDOUT"
check_eq "nothing was ever unsigned" "$(journal_count '.signed != "valid"')" 0
sandbox_done
