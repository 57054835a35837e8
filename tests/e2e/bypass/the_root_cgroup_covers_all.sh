#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# Attached to the root of all cgroups, as on a node: whatever cgroup a process is
# in, the root itself, one beside, one made since, it is judged. Detached, none
# is. In the VMs only: no other place has a root that is ours.
. "$(dirname "$0")/../../harness/sandbox.sh"

ROOT=${MSP_VM_ROOT_CGROUP:?the root cgroup is not ours}

# answers CGROUP...: what a user in each of them is answered
answers() {
    local cgroup
    for cgroup in "$@"; do
        (MSP_TO=$IMDS:80 MSP_TARGET=/metadata/versions MSP_ID=it \
            exec_in "$cgroup" nsenter --net="$SB_DIR/ns/vm" -- setpriv \
            --reuid 2001 --regid 3001 --clear-groups -- mspspoof ask)
    done | xargs
}

signed() {
    journal_count '.signed == "valid"'
}

attached() {
    bpftool -j cgroup show "$ROOT" | jq -s 'flatten | length'
}

sandbox_up
sandbox_start_sim
sim_mode imds=off
cgroups=("$ROOT" "$SB_HOST_CG" "$SB_CG/work")
check_eq "without mspd" "$(answers "${cgroups[@]}")" "200 200 200"
sandbox_start_mspd --cgroup "$ROOT"
check "it is attached there" test "$(attached)" -gt 5
check_eq "and covers all" "$(ctl --json status | jq -r .partial)" false
push_policy "$(policy "$(item enforce deny)")"
mkdir "$SB_HOST_CG/new"
cgroups+=("$SB_HOST_CG/new")
journal_mark
check_eq "denied" "$(answers "${cgroups[@]}") $(journal_count)" \
    "EPERM EPERM EPERM EPERM 0"
sim_mode imds=enforce
push_policy "$(policy "$(item enforce deny \
    "$(rules /metadata/versions '"uid":2001')")")"
journal_mark
check_eq "allowed" "$(answers "${cgroups[@]}") $(signed)" "200 200 200 200 4"
check "mspctl detach" ctl detach --yes
check_eq "nothing is attached" "$(attached)" 0
sim_mode imds=off
check_eq "detached" "$(answers "${cgroups[@]}")" "200 200 200 200"
sandbox_done
