#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# mspd --guard against root of the host and of a container: every row of
# `attacks` succeeds without the guard and is refused with the errno it names
# while the guard is locked. Others' objects and plain dumps go on. A token
# unlocks, nothing else does, and then detach works.
#
# For a VM that ends with it: a locked guard cannot be cleaned up after.
. "$(dirname "$0")/../../harness/sandbox.sh"
. "$(dirname "$0")/common.sh"

# --- the agent -----------------------------------------------------------------

# pid_of NAME: of the agent's process that runs it; the last one, since the
# proxy of an earlier mspd may still drain
pid_of() {
    local pid
    while read -r pid; do
        [[ $(cat "/proc/$pid/comm" 2>/dev/null) != "$1" ]] || echo "$pid"
    done < <(sort -n "$SB_CG"/agent*/cgroup.procs) | tail -n 1
}

guarded() {
    printf '%s\n' --guard --guard-key "$SB_DIR/unlock.pub" --guard-kernel
}

# refuses_to_start CLAIM WORDS [OPTIONS...]
refuses_to_start() {
    local claim=$1 words=$2
    shift 2
    by_init "$@"
    check "$claim" until_true 30 said "$words"
    check "$claim: and ends" until_true 30 said 'stop.*code="*internal'
}

# Of the sentences in status, those on who is not guarded.
not_guarded() {
    ctl --json status | jq -r '.reasons[]?.text' | grep 'is not guarded'
}

# forget NAME: takes its row from one of the agent's processes
forget() {
    local pid
    pid=$(pid_of "$1")
    bpftool map delete pinned "$pins/maps/msp_guard_proc" key \
        $((pid & 255)) $((pid >> 8 & 255)) $((pid >> 16 & 255)) 0
}

# begin CLAIM ATTACK ARGUMENT: one that goes on after its "ok"; its pid is BEGUN
begin() {
    local said=$SB_DIR/tmp/$2.out
    "$SB_DIR/bin/attack" "$2" "$3" >"$said" &
    BEGUN=$!
    SB_PIDS+=("$BEGUN")
    check "$1" until_true 10 grep -qx ok "$said"
}

# One that root traces from before its exec on.
traced_start() {
    : >"$SB_DIR/tmp/hold"
    rm -f "$SB_DIR/tmp/init.pid"
    by_init "${GUARD[@]}"
    until_true 10 test -s "$SB_DIR/tmp/init.pid" || die "no process to trace"
    begin "a traced mspd: the tracer" trace "$(<"$SB_DIR/tmp/init.pid")"
    rm -f "$SB_DIR/tmp/hold"
    check "a traced mspd" until_true 30 said 'does not know this mspd'
    check "a traced mspd: and ends" until_true 30 said 'stop.*code="*internal'
}

guard_is() {
    [[ $(ctl --json status | jq -r .guard.state) == "$1" ]]
}

# --- attacks -------------------------------------------------------------------

# How many pins are links; those of filters (6.1) are programs.
pinned_links() {
    local pin
    for pin in "$SB_DIR"/bpf/mspd/layout-*/{links,uplinks}/*; do
        ! bpftool link show pinned "$pin" >/dev/null 2>&1 || echo "$pin"
    done | wc -l
}

bpf_rows() {
    local pins maps
    pins=$(echo "$SB_DIR"/bpf/mspd/layout-*)
    maps=$pins/maps
    row ENOENT map-open "$maps/msp_meta"
    row ENOENT map-open "$maps/msp_exec"
    row ENOENT map-open "$maps/msp_own_sk"
    row ENOENT map-by-id "$maps/msp_meta"
    row ENOENT map-by-program "$maps/msp_meta" "a program that writes a map"
    row ENOENT map-by-program "$maps/msp_stats" "one that writes a frozen one"
    row ENOENT map-by-iterator - "an iterator that writes"
    row EPERM map-in-map "$maps/msp_stats" "one that writes it as an inner map"
    row ENOENT map-read "$maps/msp_fd_socks" "one attached to a map of sockets"
    row EPERM link-open "$pins/links/msp_connect4"
    row ENOENT link-by-id -
    row EPERM prog-lsm -
    row EPERM prog-fmod-ret -
    row EPERM prog-ext -
    row EINVAL prog-write-user -
    row ok map-read "$maps/msp_meta" "reading a map stays free"
    row ok map-others - "others' maps"
    row ok map-in-map-others - "others' maps of maps"
    row ok prog-benign - "others' programs"
}

pin_rows() {
    local pins
    pins=$(echo "$SB_DIR"/bpf/mspd/layout-*)
    row EPERM pin-rename "$pins/maps/msp_meta"
    row EPERM pin-rename "$pins"
    row EPERM mkdir "$pins/maps"
    row EPERM chmod "$pins/maps/msp_meta"
    row EPERM mount-over "$SB_DIR/bpf"
    row EPERM mount-over "$pins"
    row EPERM remount "$SB_DIR/bpf"
}

file_rows() {
    row EPERM read "$SB_DIR/vm.key" "reading the key"
    row EPERM reopen "$SB_DIR/vm.key" "by O_PATH"
    row EPERM write "$SB_DIR/vm.key"
    row EPERM truncate "$SB_DIR/vm.key"
    row EPERM chmod "$SB_DIR/vm.key"
    row EPERM hard-link "$SB_DIR/vm.key"
    row EPERM rename "$SB_DIR/vm.key"
    row EPERM mount-file-over "$SB_DIR/vm.key"
    row EPERM rename "$MSPD" "renaming mspd"
    row EPERM change-version "$MSPD" "changing the generation of mspd"
    row EPERM mount-file-over "$SB_DIR/bin/mspd-proxy"
    row EPERM hard-link "$SB_DIR/bin/mspd-keeper"
    row EPERM rename "$SB_DIR/bin/mspctl"
    row EPERM write "$LIBRARY" "writing a library in place"
    row ok rename "$LIBRARY" "replacing a library, as packages do"
    row EPERM create "$SB_DIR/state"
    row EPERM mkdir "$SB_DIR/state"
    row EPERM symlink "$SB_DIR/run"
    row EPERM rename "$SB_DIR/state"
    row EPERM mount-over "$SB_DIR/state"
    row EPERM truncate "$SB_DIR/state/policy.image" "the stored policy"
    row EPERM write "$SB_DIR/unlock.pub"
    row EPERM create "$SB_DIR/extra" "--guard-protect DIR"
    row ok create "$SB_DIR/tmp" "files of others"
}

process_rows() {
    local name pid
    for name in mspd mspd-netns mspd-keeper mspd-proxy; do
        pid=$(pid_of "$name")
        [[ $pid ]] || die "no $name runs"
        row EPERM ptrace "$pid" "ptrace $name"
        row EPERM vm-read "$pid" "process_vm_readv $name"
        row EPERM pidfd-getfd "$pid" "pidfd_getfd $name"
        row EPERM pidfd-signal "$pid" "pidfd_send_signal $name"
        row EACCES proc-mem "$pid" "/proc/PID/mem of $name"
        row EACCES proc-environ "$pid" "/proc/PID/environ of $name"
        row EACCES proc-ns "$pid" "/proc/PID/ns of $name"
        row EPERM signal "$pid" "kill -CONT $name"
        row EPERM tgkill "$pid" "tgkill $name"
        row EPERM signal-by-pipe "$pid" "F_SETOWN $name"
        row EPERM prlimit "$pid" "prlimit $name"
        row EPERM affinity "$pid" "sched_setaffinity $name"
        row EPERM nice "$pid" "setpriority $name"
    done
}

switch_rows() {
    row EPERM write-1 /proc/sys/kernel/ftrace_enabled
    row EPERM write "$SB_CG/agent/cgroup.kill" "cgroup.kill of the agent"
    row EPERM write "$SB_CG/agent/cgroup.freeze" "cgroup.freeze of the agent"
    row EPERM write "$SB_CG/agent/cgroup.procs" "cgroup.procs of the agent"
    row EPERM write "$SB_CG/cgroup.kill" "cgroup.kill above the agent"
    row ok write "$SB_CG/cgroup.procs" "cgroup.procs above the agent"
    row ok write "$SB_HOST_CG/cgroup.kill" "cgroup.kill elsewhere"
}

host_rows() {
    row EPERM ptrace 1 "ptrace pid 1"
    row EPERM read /dev/mem
    row EPERM read /proc/kcore
    row EPERM ioperm -
    row EPERM msr-write /dev/cpu/0/msr
    row EPERM move-mount "$SB_DIR/bpf"
}

# With --guard-kernel.
kernel_rows() {
    row EPERM module "$MODULE" "a kernel module"
    row EPERM module-image "$MODULE" "a kernel module in memory"
    row EPERM kexec -
    row EPERM kexec-file "$SB_DIR/bin/attack"
    row EPERM pci-write /sys/bus/pci/devices/0000:00:00.0/config
    [[ ! -e /sys/power/disk ]] || row EPERM hibernation /sys/power/disk
}

EVERY=(bpf_rows pin_rows file_rows process_rows switch_rows)

# As root with all capabilities in namespaces of its own.
container_rows() {
    AS=(unshare --mount --uts --ipc --net --)
    WHO="container root"
    rows "${EVERY[@]}"
    AS=()
    WHO=root
}

# Those that leave nothing to attack.
last_rows() {
    local name pins
    pins=$(echo "$SB_DIR"/bpf/mspd/layout-*)
    # mspd-netns ends with mspd
    for name in mspd-proxy mspd-keeper mspd; do
        row EPERM kill "$(pid_of "$name")" "kill -KILL $name"
    done
    row EPERM unlink "$pins/maps/msp_stats"
    row EPERM unlink "$pins/links/msp_bind4"
    row EPERM unlink "$SB_DIR/state/policy.image" "rm of the stored policy"
    row EPERM umount-lazy "$SB_DIR/bpf" "umount -l of the pins"
}

# allowed ERRNO|ok CLAIM COMMAND...
allowed() {
    local wanted=$1 claim=$2
    shift 2
    [[ $PHASE == locked ]] || wanted=ok
    check_eq "$PHASE, --guard-allow: $claim" "$("$@")" "$wanted"
}

# Who is named by --guard-allow, in the mount namespace of pid 1 but for one.
allow_rows() {
    local file=$SB_DIR/bin/allowed host=(nsenter --mount=/proc/1/ns/mnt --) name
    for name in prog-lsm prog-fmod-ret prog-ext; do
        allowed ok $name "${host[@]}" "$file" $name -
    done
    allowed EPERM "a copy of it" "${host[@]}" "$SB_DIR/tmp/copy" prog-lsm -
    allowed EPERM "in another mount namespace" "$file" prog-lsm -
    allowed EPERM "traced" "${host[@]}" "$SB_DIR/bin/attack" traced-exec "$file"
    allowed EPERM "its system calls answered by another" "${host[@]}" \
        "$SB_DIR/bin/attack" answered-exec "$file"
    allowed ENOENT "our links" "${host[@]}" "$file" link-by-id -
}

shared_rows() {
    row EPERM umount-shared "$SB_DIR/bpf" "umount -l in another namespace"
}

last() {
    rows last_rows
    [[ $PHASE == locked ]] || mount -t bpf bpf "$SB_DIR/bpf"
    # what is done to a copy of a shared mount is done to the mount
    mount --make-shared "$(findmnt -n -o TARGET -T "$SB_DIR/state")"
    rows shared_rows
    [[ $PHASE == locked ]] ||
        check "off: that one had an effect" eval '! mountpoint -q "$SB_DIR/bpf"'
}

# --- the test ------------------------------------------------------------------

prepare() {
    MSPD=$SB_DIR/bin/mspd
    BY_INIT=(--static-key "$SB_DIR/vm.key")
    unlock_keys
    openssl genpkey -algorithm ed25519 -out "$SB_DIR/other.key"
    token 3600 >"$SB_DIR/good.token"
    mkdir "$SB_DIR/extra" "$SB_CG/agent2"
    LIBRARY=$(ldd "$MSPD" | awk '/libjansson|libcap\.so|libbpf/ { print $3 }' |
        head -n 1)
    MODULE=$(find "/lib/modules/$(uname -r)" -name 'dummy.ko*' | head -n 1)
    [[ $LIBRARY && $MODULE ]] || die "no library or no module to try"
    cp "$SB_DIR/bin/attack" "$SB_DIR/bin/allowed"
    cp "$SB_DIR/bin/attack" "$SB_DIR/tmp/copy"
    attempt module "$(find "/lib/modules/$(uname -r)" -name 'msr.ko*')" |
        grep -qx ok || die "no module msr"
    until_true 10 test -c /dev/cpu/0/msr || die "no /dev/cpu/0/msr"
    exec 8>/proc/sys/kernel/ftrace_enabled
}

sandbox_up
trap guard_down EXIT
prepare
sandbox_start_sim

sandbox_start_mspd
push_policy "$(policy "$(item enforce deny)")"
rows "${EVERY[@]}" host_rows kernel_rows
container_rows
allow_rows
check_eq "off: LD_DEBUG is heard" "$(LD_DEBUG=libs \
    LD_DEBUG_OUTPUT=$SB_DIR/tmp/ld "$MSPD" --version >/dev/null
    compgen -G "$SB_DIR/tmp/ld.*" | wc -l)" 1
rm -f "$SB_DIR"/tmp/ld.*
check_eq "off: ftrace_enabled" "$(echo 1 >&8 && echo ok)" ok
last
mount -t bpf bpf "$SB_DIR/bpf"
rm -rf "$SB_DIR/state" && mkdir "$SB_DIR/state"

# the guard
mapfile -t GUARD < <(guarded)
GUARD+=(--guard-protect "$SB_DIR/extra" --guard-allow "$SB_DIR/bin/allowed")
sandbox_start_mspd "${GUARD[@]}"
check "unlock to configure" ctl unlock --token "$SB_DIR/good.token"
push_policy "$(policy "$(item enforce deny)")"
check "lock" ctl lock
check_eq "status: the guard" "$(ctl --json status | jq -r .guard.state)" locked
check_eq "status: the tier" "$(ctl --json status | jq -r .tier)" lsm
PHASE=locked
rows "${EVERY[@]}" host_rows kernel_rows
allow_rows
last
check_eq "locked: a descriptor opened before" \
    "$(exec_in "$SB_CG/work" bash -c 'echo 1 >&8' 2>&1 | grep -c permitted)" 1
check_eq "locked: LD_DEBUG is not heard" "$(LD_DEBUG=libs \
    LD_DEBUG_OUTPUT=$SB_DIR/tmp/ld "$MSPD" --version >/dev/null
    compgen -G "$SB_DIR/tmp/ld.*" | wc -l)" 0

container_rows
check "the log names what was refused" until_true 10 \
    grep -q 'guard.refused.*process' "$SB_DIR/mspd.log"
check "status counts it" jq -e \
    '[.guard_refused[] | select(.times > 0)] | length >= 9' \
    <(ctl --json status)

# What root may go on doing.
pins=$(echo "$SB_DIR"/bpf/mspd/layout-*)
check_eq "before: denied" \
    "$(http_code 2001:3001 vm "http://$IMDS/metadata/versions")" EPERM
check "bpftool map dump of the audit" \
    grep -q imds <(bpftool map dump pinned "$pins/maps/msp_audit")
check "and of a policy table" \
    bpftool map dump pinned "$(compgen -G "$pins/gen/*/msp_eps" | tail -n 1)"
bpftool map create "$SB_DIR/bpf/other" type array key 4 value 4 entries 1 \
    name mspace
check "bpftool map list goes on to others'" \
    grep -q mspace <(bpftool map list)
check "bpftool prog list ends well" bpftool prog list
check "bpftool link list ends well" bpftool link list
rm -f "$SB_DIR/bpf/other"

# What mspctl refuses.
policy "$(item audit allow)" >"$SB_DIR/tmp/open.json"
ctl policy push "$SB_DIR/tmp/open.json" >"$SB_DIR/tmp/out" 2>&1
check_eq "policy push: exit code" $? 1
check "it says why" grep -q 'guard is locked' "$SB_DIR/tmp/out"
ctl policy rollback >"$SB_DIR/tmp/out" 2>&1
check_eq "policy rollback: exit code" $? 1
ctl detach --yes >"$SB_DIR/tmp/out" 2>&1
check_eq "detach: exit code" $? 1
check "mspd lives" ctl status

# Tokens.
# bad CLAIM WORDS <TOKEN
bad() {
    ctl unlock --token - >"$SB_DIR/tmp/out" 2>&1
    check_eq "$1: exit code" $? 1
    check "$1: why" grep -q "$2" "$SB_DIR/tmp/out"
    check "$1: locked" guard_is locked
}
bad "an expired token" 'it has expired' < <(token -1)
bad "another host's" 'for another host' < <(token 60 "${HOST/e2e/e2f}")
bad "another key's" 'signature' < <(token 60 "$HOST" "$SB_DIR/other.key")
bad "one for a week" 'more than a day' < <(token 604800)
bad "a changed one" 'signature' < <(token -1 | sed 's/^expires ./expires 9/')
bad "no token" 'not a token' <<<"open"
date -s "@$(($(date +%s) - 7200))" >/dev/null
old=$(token 3600)
date -s "@$(($(date +%s) + 7200))" >/dev/null
date -s "@$(($(date +%s) - 7200))" >/dev/null
bad "an expired one, the clock set back" 'it has expired' <<<"$old"
date -s "@$(($(date +%s) + 7200))" >/dev/null

# A token that is good, for some seconds; mspd is killed in that time and comes
# back when it is over.
token $((12 * ${MSP_SLOW:-1})) >"$SB_DIR/tmp/short"
check "a good token" ctl unlock --token "$SB_DIR/tmp/short"
check_eq "unlocked" "$(ctl --json status | jq -r .guard.state)" unlocked
check_eq "unlocked: map-open" "$(attempt map-open "$pins/maps/msp_meta")" ok
check_eq "unlocked: the key" "$(attempt read "$SB_DIR/vm.key")" ok
check_eq "unlocked: signal" "$(attempt signal "$(pid_of mspd)")" ok
check "mspctl lock" ctl lock
check_eq "locked again" "$(attempt map-open "$pins/maps/msp_meta")" ENOENT
check "the same token, in its time" ctl unlock --token "$SB_DIR/tmp/short"
check_eq "status: who is not guarded" "$(not_guarded)" ""
forget mspd-keeper
check_eq "status: who is not guarded now" "$(not_guarded)" \
    "mspd-keeper is not guarded: root may read the key from it"
check_eq "status: the state" "$(ctl --json status | jq -r .state)" degraded
check "the log says so" until_true 10 \
    grep -q 'guard.roles.*mspd-keeper' "$SB_DIR/mspd.log"
# Programs of an earlier mspd go some time after its links do: here, when we say.
begin "unlocked: a link is held" link-hold "$pins/links/msp_g_exec"
holder=$BEGUN
for name in mspd-keeper mspd-proxy mspd; do
    check_eq "unlocked: kill $name" "$(attempt kill "$(pid_of $name)")" ok
done
is_locked() {
    [[ $(attempt map-open "$pins/maps/msp_meta") == ENOENT ]]
}
check "it locks itself, without mspd" until_true 30 is_locked
check_eq "nobody runs: still denied" \
    "$(http_code 2001:3001 vm "http://$IMDS/metadata/versions")" EPERM
cp "$MSPD" "$SB_DIR/tmp/mspd"
MSPD=$SB_DIR/tmp/mspd refuses_to_start "a copy of mspd" \
    'does not know this mspd' "${GUARD[@]}"
refuses_to_start "mspd without --guard" 'without --guard'
refuses_to_start "other options" 'with other options' "${GUARD[@]}" \
    --bootstrap deny
refuses_to_start "other pins" 'another guard is locked' "${GUARD[@]}" \
    --pin-dir "$SB_DIR/bpf/other"
NET=sim refuses_to_start "another network namespace" 'with other options' \
    "${GUARD[@]}"
cp "$LIBRARY" "$SB_DIR/tmp/preload.so"
echo "$SB_DIR/tmp/preload.so" >/etc/ld.so.preload
refuses_to_start "another library" 'does not know this mspd' "${GUARD[@]}"
rm -f /etc/ld.so.preload
traced_start
by_init "${GUARD[@]}"
check "the same mspd takes over" until_true 60 guard_is locked
check "as what was there" said 'guard.locked.*taken over'
check "its proxy is ready" until_true 60 said proxy.ready
WHO="root, beside an earlier program"
rows process_rows bpf_rows
check_eq "status: who is not guarded then" "$(not_guarded)" ""
WHO=root
kill "$holder"

# Out.
check "unlock" ctl unlock --token "$SB_DIR/good.token"
# ids of links that are gone must go, or restarts would fill the table
check_eq "as many links are registered as are pinned" \
    "$(bpftool -j map dump pinned "$pins/maps/msp_guard_link" | jq length)" \
    "$(pinned_links)"
echo "$SB_DIR/tmp/preload.so" >/etc/ld.so.preload
check_eq "unlocked: kill mspd-proxy" \
    "$(attempt kill "$(pid_of mspd-proxy)")" ok
names_proxy() {
    [[ $(not_guarded) == "mspd-proxy is not guarded"* ]]
}
check "status: the proxy runs others' code" until_true 30 names_proxy
rm -f /etc/ld.so.preload
check "detach" ctl detach --yes
check_eq "no pin is left" "$(find "$SB_DIR/bpf" -name 'msp_*' | wc -l)" 0
no_programs() {
    ! bpftool -j prog list |
        jq -e '.[] | select(.name // "" | startswith("msp_g"))'
}
check "no program of the guard runs" until_true 10 no_programs
check_eq "nothing is refused" "$(attempt write "$SB_CG/agent2/cgroup.kill")" ok
sandbox_done
