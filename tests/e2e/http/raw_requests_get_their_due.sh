#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# Every raw request of conformance.txt, on a redirected connection, gets exactly
# its statuses, reaches the host exactly as it must or not at all, and leaves
# nothing behind for the next one. Rows that are wrong are seen to be wrong.
. "$(dirname "$0")/../../harness/sandbox.sh"

here=$MSP_SOURCE/tests/e2e/http

conform() {
    run_as 0:0 vm /usr/bin/python3 -B "$here/conformance.py" "$1" \
        "$SB_DIR/journal" "$2"
}

# wrong NAME HOW BYTES ANSWER JOURNAL: a row of which something is not so
wrong() {
    local IFS='|'
    printf '%s | %s | %s | %s | %s\n' "$@" >"$SB_DIR/tmp/wrong.txt"
    check "a wrong row is seen: $1" not conform "$SB_DIR/tmp/wrong.txt" 1
}

not() {
    ! "$@"
}

sandbox_up
sandbox_start_sim
sandbox_start_mspd
push_policy "$(policy "$(item enforce allow)" "$(item enforce allow)" \
    "$(item enforce allow)")"
# The host itself asks for a signature of all but the two uploads.
sim_mode wireserver=off hostga=off

conform "$here/conformance.txt" 250 >"$SB_DIR/tmp/out" 2>&1
check_eq "all rows are as they must be" "$?" 0
cat "$SB_DIR/tmp/out"

get='{get /sim/echo}'
one='GET /sim/echo 0 valid'
wrong status whole "$get" '201 open' "$one"
wrong end whole "$get" '200 close' "$one"
wrong 'one answer too many' whole "$get" '200 200 open' "$one"
wrong 'one answer too few' whole "$get$get" '200 open' "$one; $one"
wrong body whole "$get" '200=x open' "$one"
wrong entry whole "$get" '200 open' 'GET /sim/echo 1 valid'
wrong 'no entry' whole "$get" '200 open' -
wrong 'entry of nothing' whole '{get /sim/./echo}' '400 open' "$one"
wrong header whole "$get" '200 open' "$one | has x-not: there"
sandbox_done
