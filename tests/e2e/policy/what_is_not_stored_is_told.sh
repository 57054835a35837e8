#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# mspd killed between the flip and the disk: the policy in force is on no disk.
# The next mspd leaves it in force and says that the next boot would not have
# it, a rollback goes to the one on disk, and a push mends it.
. "$(dirname "$0")/../../harness/sandbox.sh"

USER=2001:3001
URL=http://$IMDS/metadata/versions

status() {
    ctl --json status | jq -r "$1"
}

served() {
    check_eq "$1" "$(http_code "$USER" vm "$URL")" "$2"
}

# The disk as a kill before the store leaves it.
lose() {
    sandbox_stop_mspd KILL
    rm -rf "$SB_DIR/state"
    cp -a "$SB_DIR/tmp/state" "$SB_DIR/state"
    sandbox_start_mspd
}

told() {
    check_eq "$1: stored" "$(status .policy.stored)" "$2"
    check_eq "$1: named as a reason" \
        "$(status '[.reasons[]?.text | select(test("next boot"))] | length')" "$3"
}

sandbox_up
sandbox_start_sim
sandbox_start_mspd
push_policy "$(policy "$(item audit deny)")"
push_policy "$(policy "$(item enforce allow)")"
first=$(status .policy.digest)
told "a policy on disk" true 0
cp -a "$SB_DIR/state" "$SB_DIR/tmp/state"
push_policy "$(policy "$(item enforce deny)")"
second=$(status .policy.digest)
lose
check_eq "the policy in force stays" "$(status .policy.digest)" "$second"
served "it denies" EPERM
told "not on disk" false 1

check "a push of the same mends it" ctl policy push "$SB_DIR/policy.json"
told "pushed again" true 0
lose
check "rollback" ctl policy rollback
check_eq "goes to the one before, which is the last on disk" \
    "$(status .policy.digest)" "$first"
served "it serves" 200
told "rolled back" true 0
sandbox_done
