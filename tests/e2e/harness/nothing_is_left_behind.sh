#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# However a test ends, its processes, cgroup, directory and BPF programs are
# gone; and nobody else's process is, also if it has the number of one that was
# the test's. The same script is the outer test and, with an argument, the inner
# one.
if [[ ${1:-} ]]; then
    . "$(dirname "$0")/../../harness/sandbox.sh"
    sandbox_up
    sandbox_start_sim
    touch "$SB_DIR/tmp/own"
    mount --bind "$SB_DIR/vm.key" "$SB_DIR/tmp/own"
    if [[ $2 == START-* ]]; then
        # an mspd that never becomes ready: its start is waited for for long
        printf '#!/bin/sh\nexec sleep 60\n' >"$SB_DIR/bin/mspd"
        printf '%s %s\n' "$SB_DIR" "$SB_CG" >"$1"
        sandbox_start_mspd
    fi
    sandbox_start_mspd
    sandbox_remember_programs
    sleep 60 &
    SB_PIDS+=($! "$3")
    printf '%s %s %s\n' "$SB_DIR" "$SB_CG" "${SB_PROGS[*]}" >"$1"
    [[ $2 == EXIT ]] || wait
    ok "nothing to check in here"
    sandbox_done
fi

set -u
fifo=$(mktemp -u)
failed=0
sleep 1000 &
other=$!
trap 'rm -f "$fifo"; kill "$other"' EXIT

# its command line names the directory of the test
waits_for_ready() {
    pgrep -f "mspclient notify $1/" >/dev/null
}

# gone HOW DIR CGROUP PROGRAM...
gone() {
    local how=$1 id
    ! waits_for_ready "$2" || echo "not ok - $how: mspclient notify is left"
    [[ ! -e $2 ]] || echo "not ok - $how: $2 is left"
    [[ ! -e $3 && ! -e $3-host ]] || echo "not ok - $how: $3 is left"
    for id in "${@:4}"; do
        ! bpftool prog show id "$id" >/dev/null 2>&1 ||
            echo "not ok - $how: program $id is left"
    done
}

for how in EXIT TERM HUP INT PIPE KILL START-TERM START-INT START-KILL; do
    rm -f "$fifo"
    mkfifo "$fifo"
    # a background job of a script ignores SIGINT, python SIGPIPE
    /usr/bin/python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
os.execvp("bash", ["bash"] + sys.argv[1:])' "$0" "$fifo" "$how" "$other" &
    inner=$!
    # opened for both: to open for reading alone would wait for a writer
    if ! read -r -t 60 dir cg progs <>"$fifo"; then
        echo "not ok - $how: the inner test did not start"
        exit 1
    fi
    if [[ $how == START-* ]]; then
        end=$((SECONDS + 20))
        until waits_for_ready "$dir" || ((SECONDS >= end)); do
            sleep 0.02
        done
        waits_for_ready "$dir" || {
            echo "not ok - $how: mspclient notify did not start"
            failed=1
        }
    fi
    [[ $how == EXIT ]] || kill "-${how#START-}" "$inner"
    wait "$inner"
    # who is killed outright is cleaned up after, within seconds
    end=$((SECONDS + 10))
    while :; do
        # shellcheck disable=SC2086
        left=$(gone "$how" "$dir" "$cg" $progs)
        [[ $how == *KILL && -n $left && $SECONDS -lt $end ]] || break
        sleep 0.1
    done
    kill -0 "$other" || left+="not ok - $how: another process was ended"
    if [[ -n $left || (-z $progs && $how != START-*) ]]; then
        echo "${left:-not ok - $how: no program was attached}"
        failed=1
    else
        echo "ok - $how: nothing is left ($dir, programs $progs)"
    fi
done
exit $failed
