#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# In a pid namespace of its own mspd would take its own proxy for a container
# process. It says so and leaves nothing: no link, no pin in force.
. "$(dirname "$0")/../../harness/sandbox.sh"

start() {
    exec_in "$SB_CG/agent" nsenter --net="$SB_DIR/ns/vm" -- "$@" \
        "$SB_DIR/bin/mspd" --cgroup "$SB_CG" \
        --pin-dir "$SB_DIR/bpf/mspd" --run-dir "$SB_DIR/run" \
        --state-dir "$SB_DIR/state" --log-dir "$SB_DIR/log" \
        --libexec-dir "$SB_DIR/bin"
}

sandbox_up
(start timeout 20 unshare --pid --fork) >"$SB_DIR/out" 2>&1
check_eq "exit status in a pid namespace" "$?" 5
check "it says why" grep -q 'mspd runs in a container' "$SB_DIR/out"
check_eq "no link is pinned" "$(find "$SB_DIR/bpf/mspd" -path '*/links/*' |
    wc -l)" 0
# the same command on the host's side starts
sandbox_start_sim
sandbox_start_mspd
check "on the host it starts" ctl netns list
sandbox_done
