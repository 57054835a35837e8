# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# shellcheck shell=bash
#
# For the tests of this folder, after sandbox.sh: attacks, and what must come of
# them.
# shellcheck disable=SC2034
# shellcheck source=SCRIPTDIR/../../harness/unlock.sh
. "$(dirname "$0")/../../harness/unlock.sh"

PHASE=off   # what an attack must come to: off = ok, locked = the errno
AS=()       # what runs it
WHO="root"  # for the claim
MSPD=       # the executable
BY_INIT=()  # options of mspd

# Whatever happened: what the sandbox made must go.
guard_down() {
    local status=$?
    ctl unlock --token "$SB_DIR/good.token" >/dev/null 2>&1
    (exit "$status")
    sandbox_down
}

# by_init OPTIONS...: mspd as pid 1 would start it; what it says is in init.log.
# Not before $SB_DIR/tmp/hold is gone. In the cgroup agent2 and the network
# namespace NET, with the options BY_INIT before others.
by_init() {
    : >"$SB_DIR/tmp/init.log"
    # shellcheck disable=SC2016
    (exec_in "$SB_CG/agent2" bash -c '
        out=$1 net=$2
        shift 2
        echo "$$" >"${out%.log}.pid"
        until read -r _ _ _ parent _ <"/proc/$$/stat" && [[ $parent == 1 &&
            ! -e ${out%/*}/hold ]]; do
            sleep 0.05
        done
        exec nsenter --net="$net" -- "$@" >>"$out" 2>&1 </dev/null
    ' - "$SB_DIR/tmp/init.log" "$SB_DIR/ns/${NET:-vm}" "$MSPD" --cgroup "$SB_CG" \
        --pin-dir "$SB_DIR/bpf/mspd" --run-dir "$SB_DIR/run" \
        --state-dir "$SB_DIR/state" --log-dir "$SB_DIR/log" \
        --libexec-dir "$SB_DIR/bin" --log-level info "${BY_INIT[@]}" "$@" &)
}

said() {
    grep -q "$1" "$SB_DIR/tmp/init.log"
}

attempt() {
    "${AS[@]}" "$SB_DIR/bin/attack" "$@"
}

# row ERRNO NAME ARGUMENT [CLAIM]: for `rows`, which tries them all at once
row() {
    local wanted=ok
    [[ $PHASE == off ]] || wanted=$1
    ROWS+=("$2 $3")
    ROW_WANTED+=("$wanted")
    ROW_CLAIM+=("$PHASE, $WHO: ${4:-$2 ${3##*/}}")
}

# rows FUNCTION...
rows() {
    local i got=()
    ROWS=()
    ROW_WANTED=()
    ROW_CLAIM=()
    for i in "$@"; do
        $i
    done
    mapfile -t got < <(printf '%s\n' "${ROWS[@]}" | attempt)
    for i in "${!ROWS[@]}"; do
        check_eq "${ROW_CLAIM[i]}" "${got[i]:-nothing}" "${ROW_WANTED[i]}"
    done
}
