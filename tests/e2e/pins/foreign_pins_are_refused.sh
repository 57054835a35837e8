#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# A pin that is not what its name says, a tree that lacks one, links at another
# cgroup or at one that is gone: mspd ends with a message that names the pin
# and leaves everything in force as it was.
. "$(dirname "$0")/../../harness/sandbox.sh"

USER=2001:3001
URL=http://$IMDS/metadata/versions
TREE=

denied() {
    check_eq "$1: still denied" "$(SB_MAX_TIME=2 http_code "$USER" vm "$URL")" \
        EPERM
}

# The ids of the programs in force.
in_force() {
    bpftool -j cgroup show "$SB_CG" | jq -c 'map(.id) | sort'
}

# refused CLAIM PATTERN [MSPD OPTION...]: mspd does not start, and says PATTERN
refused() {
    local claim=$1 pattern=$2 before got
    shift 2
    before=$(in_force)
    : >"$SB_DIR/refused.log"
    (exec_in "$SB_CG/agent" timeout 20 nsenter --net="$SB_DIR/ns/vm" -- \
        "$SB_DIR/bin/mspd" --cgroup "$SB_CG" --pin-dir "$SB_DIR/bpf/mspd" \
        --run-dir "$SB_DIR/run" --state-dir "$SB_DIR/state" \
        --log-dir "$SB_DIR/log" --libexec-dir "$SB_DIR/bin" "$@" \
        2>"$SB_DIR/refused.log")
    got=$?
    check_eq "$claim: exit 5" "$got" 5
    check "$claim: says why" grep -q -- "$pattern" "$SB_DIR/refused.log"
    check_eq "$claim: the same programs are in force" "$(in_force)" "$before"
    denied "$claim"
}

# swap PIN OTHER: makes the name PIN another pin of what OTHER names
swap() {
    local kind=$3
    mv "$TREE/$1" "$TREE/$1-kept"
    bpftool "$kind" pin pinned "$TREE/$2" "$TREE/$1" || die "cannot pin $1"
}

unswap() {
    rm "$TREE/$1"
    mv "$TREE/$1-kept" "$TREE/$1"
}

sandbox_up
sandbox_start_sim
sandbox_start_mspd
push_policy "$(policy "$(item enforce deny)")"
sandbox_stop_mspd
TREE=$SB_DIR/bpf/mspd/layout-8
denied "stopped"

swap maps/msp_audit progs/msp_connect4 prog
refused "a program where a map should be" 'maps/msp_audit is a program'
unswap maps/msp_audit

swap maps/msp_counters maps/msp_stats map
refused "another map" 'maps/msp_counters is a map named'
unswap maps/msp_counters

swap links/msp_sockops maps/msp_stats map
refused "a map where a link should be" 'links/msp_sockops is a map'
unswap links/msp_sockops

swap links/msp_bind4 links/msp_bind6 link
refused "a link of another hook" 'links/msp_bind4 is a link of another kind'
unswap links/msp_bind4

swap progs/msp_connect4 progs/msp_connect6 prog
refused "another program" 'progs/msp_connect4 is a program named'
unswap progs/msp_connect4

mv "$TREE/progs/msp_egress" "$TREE/progs/kept"
refused "a program is missing" 'progs/msp_egress is missing'
mv "$TREE/progs/kept" "$TREE/progs/msp_egress"

mv "$TREE/links/msp_bind6" "$TREE/kept"
refused "a link is missing" 'links/msp_bind6 is missing'
mv "$TREE/kept" "$TREE/links/msp_bind6"

mkdir "$SB_CG/other"
refused "another cgroup" 'is attached at another cgroup' \
    --cgroup "$SB_CG/agent"
rmdir "$SB_CG/other"

mkdir -p "$SB_DIR/bpf/mspd/layout-9/links"
bpftool map pin pinned "$TREE/maps/msp_stats" \
    "$SB_DIR/bpf/mspd/layout-9/links/msp_connect4" || die "cannot pin"
refused "a foreign tree beside ours" 'layout-9/links/msp_connect4 is a map'
rm -r "$SB_DIR/bpf/mspd/layout-9"

sandbox_start_mspd
check_eq "with all put right it starts and takes over" \
    "$(ctl --json status | jq -c '[.attached, .policy.generation > 0]')" \
    '[true,true]'
denied "taken over"
sandbox_done
