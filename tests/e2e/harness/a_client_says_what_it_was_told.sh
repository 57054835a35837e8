#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# mspspoof tells an answer, silence, a closed and a reset connection apart, and
# what interrupts a socket with a timeout ends no request: a stop, or work that
# io_uring gives back to the thread that waits.
. "$(dirname "$0")/../../harness/sandbox.sh"

USER=2001:3001

# ask_for TARGET [VERB...]: what the client prints
ask_for() {
    local target=$1
    shift
    MSP_TO=$IMDS:80 MSP_TARGET=$target MSP_ID=it \
        run_as "$USER" vm mspspoof "${@:-ask}" 2>&1
}

# waits PID: it is in recvfrom()
waits() {
    [[ $(</proc/"$1"/syscall) == "45 "* ]]
}

is_stopped() {
    grep -q '^State:.T' "/proc/$1/status"
}

sandbox_up
sandbox_start_sim
sim_mode imds=off
check_eq "an answer" "$(ask_for /metadata/versions)" 200
check_eq "closed without one" "$(ask_for /sim/close)" EOF
check_eq "silence" "$(MSP_TIMEOUT_MS=200 ask_for /sim/delay/60000)" ETIMEDOUT

(MSP_TO=$IMDS:80 MSP_TARGET=/sim/delay/1000 MSP_ID=it \
    exec_as "$USER" vm mspspoof ask) >"$SB_DIR/out" &
pid=$!
SB_PIDS+=("$pid")
check "it waits for its answer" until_true 10 waits "$pid"
kill -STOP "$pid"
check "it is stopped" until_true 10 is_stopped "$pid"
kill -CONT "$pid"
wait "$pid"
check_eq "an answer after a stop" "$(<"$SB_DIR/out")" 200

for how in inline async poll; do
    said=
    for _ in {1..20}; do
        said+=$(ask_for /sim/delay/20 uring $how)$'\n'
    done
    check_eq "io_uring, $how, 20 times" "$(sort -u <<<"${said%$'\n'}")" 200
done
sandbox_done
