#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# mspctl policy rollback: the policy before comes back, in the kernel and on
# disk, and a second rollback goes forth again. What is refused changes nothing.
. "$(dirname "$0")/../../harness/sandbox.sh"

USER=2001:3001
URL=http://$IMDS/metadata/versions

digest() {
    ctl --json status | jq -r .policy.digest
}

generation() {
    ctl --json status | jq -r .policy.generation
}

# rollback CODE CLAIM [OPTION...]
rollback() {
    local want=$1 claim=$2 got
    shift 2
    ctl --json policy rollback "$@" >"$SB_DIR/out" 2>"$SB_DIR/err"
    got=$?
    check_eq "$claim: exit $want" "$got" "$want"
}

answer() {
    jq -r "$1" "$SB_DIR/out"
}

served() {
    check_eq "$1" "$(http_code "$USER" vm "$URL")" "$2"
}

sandbox_up
sandbox_start_sim
sandbox_start_mspd
rollback 1 "before any policy"
check_eq "it says why" "$(answer .error)" "there is no earlier policy"
check_eq "no policy is live" "$(digest)" none

push_policy "$(policy "$(item enforce allow)")"
first=$(digest)
rollback 1 "after the first policy"
check_eq "the first one stays" "$(digest)" "$first"
push_policy "$(policy "$(item enforce deny)")"
second=$(digest)
served "the second policy denies" EPERM

rollback 0 "back"
check_eq "it tells the old digest" "$(answer .old.digest)" "$second"
check_eq "it tells the new digest" "$(answer .new.digest)" "$first"
check_eq "it tells the generations" \
    "$(answer '.new.generation - .old.generation')" 1
check_eq "status says the same" "$(digest) $(generation)" \
    "$first $(answer .new.generation)"
served "the first policy serves" 200

rollback 0 "forth again"
check_eq "the second is live" "$(digest)" "$second"
served "the second policy denies again" EPERM

rollback 1 "--expect-digest of another" --expect-digest "$first"
check_eq "nothing changed" "$(digest)" "$second"
rollback 2 "--expect-digest of nonsense" --expect-digest nonsense
rollback 0 "--dry-run" --dry-run
check_eq "--dry-run tells what would come" "$(answer .new.digest)" "$first"
check_eq "--dry-run changed nothing" "$(digest)" "$second"
rollback 0 "--expect-digest of the live one" --expect-digest "$second"
check_eq "the first is live" "$(digest)" "$first"

push_policy "$(policy "$(item enforce allow)")"
check_eq "the same policy once more is no new one" "$(digest)" "$first"
rollback 0 "after it"
check_eq "the one before is still the second" "$(digest)" "$second"
check_eq "a refused push" "$(ctl policy push /etc/passwd >/dev/null 2>&1
    echo $?)" 2
rollback 0 "after a refused push"
check_eq "goes back to the first" "$(digest)" "$first"

# Without pins, what was rolled back to is what the next mspd starts from.
ctl detach --yes >/dev/null || die "detach"
wait "$SB_MSPD"
sandbox_start_mspd
check_eq "a new start has the first" "$(digest)" "$first"
served "and serves" 200
rollback 0 "after the start"
check_eq "the second comes" "$(digest)" "$second"

printf 'x' | dd of="$SB_DIR/state/policy.previous.image" bs=1 seek=200 \
    conv=notrunc status=none
rollback 1 "an earlier image that was damaged"
check_eq "nothing changed after all" "$(digest)" "$second"
served "and it denies" EPERM
sandbox_done
