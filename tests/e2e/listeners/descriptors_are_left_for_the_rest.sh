#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# Each listener takes a descriptor of mspd and one of the proxy. Where their
# limit is low listeners leave two fifths of it to connections, which are told 503
# when there are too many. Whose namespace comes too late fails closed, the
# others go on, and there is room again when namespaces go.
. "$(dirname "$0")/../../harness/sandbox.sh"
. "$(dirname "$0")/common.sh"

LIMIT=400
MOST=$((LIMIT - LIMIT * 2 / 5))

is_served() {
    [[ $(crowd "$IMDS:80" 1) == "1 x 200" ]]
}

lacks() {
    ! grep -q "$1" "$SB_DIR/mspd.log"
}

has_answers() {
    [[ -s $SB_DIR/tmp/held ]]
}

sandbox_up
sandbox_start_sim --delay-ms 300 # so that all are there at once
ulimit -Sn "$LIMIT"
ulimit -Hn "$LIMIT"
sandbox_start_mspd
each=$SB_CG/work/each
mkdir "$each"
allow_user
check_eq "the limit is low" "$(awk '/open files/ { print $5 }' \
    "/proc/$SB_MSPD/limits" "/proc/$(child_pid mspd-proxy)/limits" | uniq)" \
    "$LIMIT"

# one is mspd's own namespace's
(exec_as 0:0 vm netnses -u $USER -c "$each" -w "$SB_DIR/tmp/end" "$IMDS:80" \
    $((MOST - 1)) >"$SB_DIR/tmp/held") &
SB_PIDS+=("$!")
check "as many as there is room for" until_true 60 has_answers
check_eq "are answered, one by one or that there are too many at once" \
    "$(jq -c '.results | [keys[], add]' "$SB_DIR/tmp/held")" \
    "[\"200\",\"503\",$((MOST - 1))]"
check "by one proxy" lacks child.gone
check_eq "all descriptors that may be taken are" "$(listeners)" "$MOST"
client_cgroup late
check_eq "one more is not served" "$(crowd "$IMDS:80" 1)" "1 x ETIMEDOUT"
check_eq "and the record says why" "$(audit_of_client |
    sed 's/^connect //' | paste -sd,)" "allow redirected,deny listener-late"
check "the log too" grep -q 'listener.failed.*No space left' "$SB_DIR/mspd.log"
check_eq "others are served" \
    "$(ask curl $USER:3001 vm "$IMDS:80" /metadata/versions vm)" 200
check "and mspd does its work" push_policy "$(policy "$(item enforce allow)")"
touch "$SB_DIR/tmp/end"
check "they end, and their listeners" until_true 30 has_listeners 1
check "there is room again" until_true 5 is_served
sandbox_done
