#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# Listeners made on demand have no path to remember. A new mspd finds their
# namespaces by the processes in them, before it takes over: nobody there waits,
# or is refused, while it does.
. "$(dirname "$0")/../../harness/sandbox.sh"

USER=2001:3001
N=6

get() {
    ask curl $USER "$1" "$IMDS:80" /metadata/versions "$1"
}

served() {
    local i
    for i in $(seq $N); do
        get "c$i"
        echo
    done | sort | uniq -c | awk '{ print $1 "x" $2 }' | paste -sd,
}

on_demand() {
    ctl --json netns list | jq '[.netns[] | select(.on_demand)] | length'
}

parked() {
    ctl --json status | jq '[.stats[] | select(.name == "parked") | .value] |
        add // 0'
}

sandbox_up
sandbox_start_sim
sandbox_start_mspd
push_policy "$(policy "$(item enforce deny \
    "$(rules /metadata/versions '"uid":2001')")")"
for i in $(seq $N); do
    make_netns "c$i"
    (exec_as 0:0 "c$i" sleep 1000) &
    SB_PIDS+=("$!")
    until_true 5 test "/proc/$!/ns/net" -ef "$SB_DIR/ns/c$i"
done
check_eq "served on demand" "$(served)" "${N}x200"
check_eq "each of them" "$(on_demand)" "$N"
check_eq "by a parked connect" "$(parked)" "$N"
for how in KILL TERM; do
    journal_mark
    sandbox_stop_mspd "$how"
    # a clean stop takes the rows away: then they are made on demand again
    before=$(bpftool -j map dump pinned \
        "$SB_DIR/bpf/mspd/layout-8/maps/msp_netns" | jq length)
    [[ $how == KILL ]] || check_eq "stopped: denied at once" "$(get c1)" EPERM
    sandbox_start_mspd
    check_eq "$how: as many as had a row are ready" "$(on_demand)" \
        $((before ? N : 0))
    check_eq "$how: served" "$(served)" "${N}x200"
    check_eq "$how: each signed" \
        "$(journal_count '.signed == "valid"')/$(journal_count)" "$N/$N"
done
sandbox_done
