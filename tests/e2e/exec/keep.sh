# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# shellcheck shell=bash
# Processes that are executed now and ask later, and new ones that ask at once;
# both are told apart in the journal. Sourced after the sandbox. USER is who
# they are, unless WHO is.

declare -A PID GO

# Starts a process that is what it is and asks when it is told to.
# keep NAME COMMAND...
keep() {
    local name=$1
    shift
    mkfifo "$SB_DIR/ready.$name" "$SB_DIR/go.$name"
    exec {ready}<>"$SB_DIR/ready.$name" {go}<>"$SB_DIR/go.$name"
    (MSP_HOLD=1 MSP_TO=$IMDS:80 MSP_TARGET=/metadata/versions MSP_ID=$name \
        exec_as "${WHO:-$USER}" vm "$@") 8>&"$ready" 9<&"$go" \
        >"$SB_DIR/out.$name" 2>&1 &
    PID[$name]=$!
    GO[$name]=$go
    read -r -t 10 -u "$ready" || die "$name did not start: $(<"$SB_DIR/out.$name")"
}

# Lets it ask; sets GOT.
finish() {
    printf g >&"${GO[$1]}"
    wait "${PID[$1]}"
    GOT=$(<"$SB_DIR/out.$1")
}

# allowed|denied CLAIM NAME: a kept process asks now
allowed() {
    journal_mark
    finish "$2"
    check_eq "$1" "$GOT $(journal_count ".client_id == \"$2\" and
        .signed == \"valid\"")" "200 1"
}

denied() {
    journal_mark
    finish "$2"
    check_eq "$1" "$GOT $(journal_count)" "EPERM 0"
}

# A new process that asks at once.
answer() {
    MSP_TO=$IMDS:80 MSP_TARGET=/metadata/versions MSP_ID=new \
        run_as "${WHO:-$USER}" vm "$@" 2>&1
}

is_answered() {
    local wanted=$1
    shift
    [[ $(answer "$@") == "$wanted" ]]
}

# within CLAIM WANTED COMMAND...: a new process has its right, or has lost it,
# within one second of what was done last
within() {
    local claim=$1
    shift
    check "$claim" until_true 1 is_answered "$@"
}

new() {
    local claim=$1 wanted=$2
    shift 2
    check_eq "$claim" "$(answer "$@")" "$wanted"
}

# Milliseconds until a new process of APP is answered 200; 9999999 if it is not
# in three seconds (MSP_SLOW times). Its own start and connect are in it.
until_served() {
    local begin=${EPOCHREALTIME/[.,]/} now limit=$((3000000 * ${MSP_SLOW:-1}))
    while now=${EPOCHREALTIME/[.,]/} && ((now - begin < limit)); do
        is_answered 200 "$APP" ask && break
    done
    now=${EPOCHREALTIME/[.,]/}
    ((now - begin < limit)) && printf '%d' $(((now - begin) / 1000)) ||
        printf 9999999
}

noticed() {
    local ms
    ms=$(until_served)
    note "$1: $ms ms"
    check "$1 within a second" test "$ms" -lt $((1000 * ${MSP_SLOW:-1}))
}
