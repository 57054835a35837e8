#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# mspctl against a live mspd: what is refused leaves the digest in force, exit
# codes are those of the design, and every --json answer is one valid object.
. "$(dirname "$0")/../../harness/sandbox.sh"

digest() {
    ctl --json status | jq -r .policy.digest
}

# expect CODE CLAIM COMMAND...
expect() {
    local want=$1 claim=$2 got
    shift 2
    "$@" >"$SB_DIR/out" 2>"$SB_DIR/err"
    got=$?
    if [[ $got == "$want" ]]; then
        ok "$claim"
    else
        not_ok "$claim" "exit $got, wanted $want" "$(head -c 300 "$SB_DIR/err")"
    fi
}

# unchanged CLAIM: the digest is still $live
unchanged() {
    check_eq "$1: the digest is as before" "$(digest)" "$live"
}

json_ok() {
    check "$1: one valid JSON object with schema 1" \
        jq -es 'length == 1 and .[0].schema == 1' "$SB_DIR/out"
}

sandbox_up
expect 3 "no daemon: exit 3" ctl status
sandbox_start_sim
sandbox_start_mspd
first=$SB_DIR/first.json
second=$SB_DIR/second.json
bad=$SB_DIR/bad.json
policy "$(item enforce allow)" >"$first"
policy "$(item enforce deny)" >"$second"
printf '{"version":1,"endpoints":{"imds":{"mode":"off"}}}' >"$bad"

expect 0 "push: exit 0" ctl --json policy push "$first"
json_ok push
live=$(digest)
expect 0 "the digest is what mspc says" \
    test "$live" = "$(mspc compile "$first" -o - 2>/dev/null |
        mspc dump --json - 2>/dev/null | jq -r .digest)"
expect 2 "a bad document: exit 2" ctl policy push "$bad"
check "and says where" grep -q '/endpoints/imds' "$SB_DIR/err"
unchanged "a bad document"
expect 2 "a bad document, --json: exit 2" ctl --json policy push "$bad"
json_ok "a bad document"
expect 2 "check of a bad document: exit 2" ctl policy check "$bad"
expect 0 "check of a good document: exit 0" ctl policy check "$second"
unchanged "check"
expect 2 "a file that is not there: exit 2" ctl policy push "$SB_DIR/nothing"
expect 2 "an unknown verb: exit 2" ctl policy pull
expect 2 "an unknown option: exit 2" ctl status --colour
head -c 4096 /dev/urandom >"$SB_DIR/noise"
expect 2 "noise: exit 2" ctl policy push "$SB_DIR/noise"
unchanged "noise"

expect 0 "--dry-run: exit 0" ctl --json policy push --dry-run "$second"
json_ok "--dry-run"
unchanged "--dry-run"
expect 1 "--expect-digest of another: exit 1" ctl --json policy push \
    --expect-digest "$(printf '0%.0s' {1..64})" "$second"
json_ok "--expect-digest of another"
unchanged "--expect-digest of another"
expect 0 "--expect-digest of the live one: exit 0" ctl --json policy push \
    --expect-digest "$live" "$second"
check "the digest changed" test "$(digest)" != "$live"
expect 0 "push from standard input: exit 0" ctl policy push - <"$first"
check_eq "same document, same digest" "$(digest)" "$live"

for verb in status audit 'netns list' 'policy show'; do
    # shellcheck disable=SC2086
    expect 0 "$verb --json: exit 0" ctl --json $verb
    json_ok "$verb --json"
    # shellcheck disable=SC2086
    expect 0 "$verb: exit 0" ctl $verb
    check "$verb: prints something" test -s "$SB_DIR/out"
done
expect 2 "netns add of no namespace: exit 2" ctl netns add /etc/passwd
make_netns c1
expect 0 "netns add: exit 0" ctl netns add "$SB_DIR/ns/c1"
expect 0 "netns add again: exit 0" ctl netns add "$SB_DIR/ns/c1"
check_eq "it is listed once beside the root's" \
    "$(ctl --json netns list | jq '.netns | length')" 2

check_eq "the socket is root's alone" \
    "$(stat -c '%a %u' "$SB_DIR/run/control.sock")" "600 0"
expect 1 "another user: exit 1" run_as 2001:3001 vm mspctl --socket \
    "$SB_DIR/run/control.sock" status
sandbox_done
