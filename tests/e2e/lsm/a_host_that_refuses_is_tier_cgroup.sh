#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# A host that refuses LSM programs: mspd enforces without them, status names the
# tier, each program and why it is not there; once the canary's is refused none
# of the others is tried. With --lsm=require it does not start, nothing is
# attached, and the log names the first program refused.
. "$(dirname "$0")/../../harness/sandbox.sh"

USER=2001:3001
URL=http://$IMDS/metadata/versions

status() {
    ctl --json status | jq -r "$1"
}

attached() {
    bpftool -j cgroup show "$SB_CG" | jq -s 'flatten | length'
}

lsm_pins() {
    find "$SB_DIR"/bpf -name 'msp_l_*' | wc -l
}

# Programs of this tier that the kernel refused, by libbpf's words.
refused() {
    grep -o "prog 'msp_[lg]_[a-z]*': BPF program load failed" \
        "$SB_DIR/mspd.log" | cut -d"'" -f2 | sort -u
}

sandbox_up
sandbox_start_sim

# mspd with these options, until it gives up
start() {
    (exec_in "$SB_CG/agent" timeout 60 nsenter --net="$SB_DIR/ns/vm" -- \
        "$SB_DIR/bin/mspd" --cgroup "$SB_CG" --pin-dir "$SB_DIR/bpf/mspd" \
        --run-dir "$SB_DIR/run" --state-dir "$SB_DIR/state" --log-dir \
        "$SB_DIR/log" --libexec-dir "$SB_DIR/bin" "$@" 2>"$SB_DIR/said.log")
}

start --lsm require
r=$?
((r != 124 && r != 0)) || skip "a refusal of LSM programs"
check_eq "--lsm=require: exit code" "$r" 5
check "it names the program and the error" grep -q \
    'start.bpf.*msp_l_alloc is not loaded: .*not permitted' "$SB_DIR/said.log"
check_eq "nothing is attached" "$(attached)" 0
check_eq "no LSM program is pinned" "$(lsm_pins)" 0

# A guard that is refused changes nothing, on a first start and on a later one.
openssl genpkey -algorithm ed25519 -out "$SB_DIR/tmp/unlock.key"
openssl pkey -in "$SB_DIR/tmp/unlock.key" -pubout -out "$SB_DIR/tmp/unlock.pub"
start --guard --guard-key "$SB_DIR/tmp/unlock.pub"
check_eq "--guard: exit code" "$?" 5
check "it names a program and the error" grep -q \
    'start.guard.*not loaded.*not permitted' "$SB_DIR/said.log"
check_eq "--guard: nothing is attached" "$(attached)" 0

# What the host says itself comes before an errno.
mount -t tmpfs none /sys/kernel/security
echo lockdown,yama >/sys/kernel/security/lsm
start --lsm require
check_eq "without bpf in lsm=: exit code" "$?" 5
check "it says so" grep -q 'bpf is not in lsm=' "$SB_DIR/said.log"
umount /sys/kernel/security

sandbox_start_mspd --lsm auto --log-level debug
check "auto: the canary's program is refused" grep -qx msp_l_alloc <(refused)
check "no other is tried then, but the first one, of all at once" \
    test "$(refused | wc -l)" -le 2
push_policy "$(policy "$(item enforce deny)")"
check_eq "auto: the tier" "$(status .tier)" cgroup
check_eq "and what was asked for" "$(status .lsm.use)" auto
check_eq "no program is there" \
    "$(status '[.lsm_programs[] | select(.state == "attached")] | length')" 0
check "every one of them is named" test "$(status '.lsm_programs | length')" -ge 2
check_eq "those of this tier have an errno's text" \
    "$(status '[.lsm_programs[] | select(.state != "off") | .why] | unique | join(",")')" \
    "Operation not permitted"
check_eq "that is no reason to be degraded" "$(status '.reasons | length')" 0
check_eq "a denied caller is denied" "$(http_code "$USER" vm "$URL")" EPERM
check_eq "no LSM program is pinned" "$(lsm_pins)" 0
check "the text names the tier" grep -Eq '^tier +cgroup$' <(ctl status)

sandbox_stop_mspd
before=$(bpftool -j cgroup show "$SB_CG")
start --guard --guard-key "$SB_DIR/tmp/unlock.pub"
check_eq "--guard on a later start: exit code" "$?" 5
check_eq "what was in force is in force" \
    "$(bpftool -j cgroup show "$SB_CG")" "$before"
sandbox_start_mspd --lsm off
check_eq "off: the tier" "$(status .tier)" cgroup
check_eq "nothing was tried" \
    "$(status '[.lsm_programs[] | select(.state != "off" or .why)] | length')" 0
sandbox_done
