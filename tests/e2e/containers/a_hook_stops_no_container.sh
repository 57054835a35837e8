#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# The OCI hook when something is wrong with its command line, what it is told,
# who reads it, its spool, or mspd: its exit code is 0, so that the container
# starts, and with --strict it is not unless mspd was told.
. "$(dirname "$0")/../../harness/sandbox.sh"

SPOOL=
STATE=

# hook OPTION...: of a container that starts while there is no mspd
hook() {
    printf '%s' "$STATE" |
        ctl oci-hook --runtime containerd --spool "$SPOOL" "$@" 2>&1
}

# The exit code of a hook that is told nothing and says so to a descriptor:
# blind FD OPTION...
blind() {
    local fd=$1
    shift
    ctl --json oci-hook "$@" </dev/null 2>/dev/null 1>&"$fd"
    echo $?
}

n_spooled() {
    find "$SPOOL" -type f 2>/dev/null | wc -l
}

sandbox_up
SPOOL=$SB_DIR/run/spool
mkdir "$SB_CG/a"
(exec_in "$SB_CG/a" sleep 1000) &
SB_PIDS+=($!)
until_true 5 grep -qx $! "$SB_CG/a/cgroup.procs"
STATE='{"ociVersion":"1.0.2","id":"one","status":"creating","pid":'$!',
    "bundle":"'$SB_DIR/tmp'"}'
echo '{}' >"$SB_DIR/tmp/config.json"

# --- its command line
for wrong in --no-such-option --pid=1 operand --runtime; do
    said=$(hook "$wrong")
    check_eq "$wrong: the container starts" $? 0
    check "which was said" grep -q 'starts without rights' <<<"$said"
    hook --strict "$wrong" >/dev/null
    check_eq "$wrong: it does not with --strict" $? 2
    [[ $wrong != --runtime ]] || continue
    hook "$wrong" --strict >/dev/null
    check_eq "wherever that stands" $? 2
done
ctl container list --no-such-option oci-hook >/dev/null 2>&1
check_eq "the command line of another command is wrong" $? 2
check_eq "nothing was left" "$(n_spooled)" 0

# --- who reads it
mkfifo "$SB_DIR/tmp/pipe"
exec {both}<>"$SB_DIR/tmp/pipe"
exec {gone}>"$SB_DIR/tmp/pipe"
exec {both}>&- {full}>/dev/full {null}>/dev/null
for fd in "$null" "$full" "$gone"; do
    check_eq "not the state of a container, said to $(readlink "/proc/$$/fd/$fd")" \
        "$(blind "$fd")" 0
    check_eq "with --strict" "$(blind "$fd" --strict)" 2
done
ctl --version >/dev/full 2>&1
check_eq "of other commands an answer that was cut off is none" $? 5

# --- mspd is away
said=$(hook --strict)
check_eq "with --strict a container does not start then" $? 3
check "which was said" grep -q 'mspd is not running' <<<"$said"
check_eq "and nothing is left of it" "$(n_spooled)" 0
said=$(hook)
check_eq "without it does" $? 0
check_eq "and waits for mspd" "$(n_spooled)" 1
chmod 0755 "$SPOOL"
said=$(hook)
check_eq "with a spool that is open to others, too" $? 0
check "and it is said what a spool has to be" \
    grep -q "$SPOOL: .*root's.* 0700" <<<"$said"
sandbox_done
