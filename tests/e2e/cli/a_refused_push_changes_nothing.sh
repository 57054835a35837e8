#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# mspctl against a live mspd: what is refused leaves the digest in force, exit
# codes are those mspctl --help lists, and with --json every outcome is one
# valid object, failures too.
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
    check "$1: one valid JSON object with schema 1 and a result" \
        jq -es 'length == 1 and .[0].schema == 1 and .[0].result' "$SB_DIR/out"
}

# result CLAIM WANTED: of the last command
result() {
    json_ok "$1"
    check_eq "$1: result $2" "$(jq -r .result "$SB_DIR/out")" "$2"
    check "$1: has an error text" jq -e '.error | length > 0' "$SB_DIR/out"
}

# what the status says is wrong, one text a line
reasons() {
    ctl --json status | jq -r '.reasons[]?.text'
}

proxy_state() {
    [[ $(ctl --json status | jq -r .proxy.state) == "$1" ]]
}

sandbox_up
expect 3 "no daemon: exit 3" ctl status
expect 3 "no daemon, --json: exit 3" ctl --json status
result "no daemon" nodaemon
sandbox_start_sim
sandbox_start_mspd
expect 4 "before the first policy: exit 4" ctl status
check "and says why it is degraded" grep -q 'no policy was pushed yet' \
    "$SB_DIR/out"
check "and that it is attached below the root cgroup" \
    grep -q 'attached below the root cgroup' "$SB_DIR/out"
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
result "a bad document" invalid
check "its diagnostics are in it" jq -e '.diagnostics | length > 0' \
    "$SB_DIR/out"
expect 2 "check of a bad document: exit 2" ctl policy check "$bad"
expect 0 "check of a good document: exit 0" ctl policy check "$second"
unchanged "check"
expect 2 "a file that is not there: exit 2" ctl policy push "$SB_DIR/nothing"
expect 2 "no such file, --json: exit 2" ctl --json policy push "$SB_DIR/no"
result "no such file" usage
expect 2 "an unknown verb: exit 2" ctl policy pull
expect 2 "an unknown verb, --json: exit 2" ctl policy pull --json
result "an unknown verb" usage
expect 0 "help of an object: exit 0" ctl netns --help
check "it lists the verbs" grep -q 'netns add PATH' "$SB_DIR/out"
expect 2 "an unknown option: exit 2" ctl status --colour
head -c 4096 /dev/urandom >"$SB_DIR/noise"
expect 2 "noise: exit 2" ctl policy push "$SB_DIR/noise"
unchanged "noise"

expect 0 "--dry-run: exit 0" ctl --json policy push --dry-run "$second"
json_ok "--dry-run"
unchanged "--dry-run"
expect 1 "--expect-digest of another: exit 1" ctl --json policy push \
    --expect-digest "$(printf '0%.0s' {1..64})" "$second"
result "--expect-digest of another" refused
check "what was refused is not called new" jq -e 'has("new") | not' \
    "$SB_DIR/out"
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

check_eq "a status that is well has no reasons" "$(reasons)" ""
proxy=$(child_pid mspd-proxy)
kill -STOP "$proxy"
until_true 5 proxy_state stopped
expect 4 "a stopped proxy: exit 4" ctl status
check_eq "and says so" "$(reasons)" \
    "mspd-proxy is stopped: allowed requests are not answered"
kill -CONT "$proxy"
until_true 5 proxy_state ready
expect 0 "a proxy that goes on: exit 0" ctl status

check_eq "the socket is root's alone" \
    "$(stat -c '%a %u' "$SB_DIR/run/control.sock")" "600 0"
expect 1 "another user: exit 1" run_as 2001:3001 vm mspctl --socket \
    "$SB_DIR/run/control.sock" status
expect 1 "another user, --json: exit 1" run_as 2001:3001 vm mspctl --json \
    --socket "$SB_DIR/run/control.sock" status
result "another user" refused

sandbox_stop_mspd
chmod 0660 "$SB_DIR/vm.key"
sandbox_start_mspd
check_eq "a key file others may write: says which condition failed" \
    "$(ctl --json status | jq -r .key.why)" \
    "the key file cannot be used: its mode lets others than root write it ($SB_DIR/vm.key)"
sandbox_stop_mspd
chmod 0600 "$SB_DIR/vm.key"
chown 2001 "$SB_DIR/vm.key"
sandbox_start_mspd
check_eq "one that is another user's alone" \
    "$(ctl --json status | jq -r .key.why)" \
    "the key file cannot be used: its owner is not root ($SB_DIR/vm.key)"
sandbox_stop_mspd
chown root "$SB_DIR/vm.key"
echo nothing >"$SB_DIR/vm.key"
sandbox_start_mspd
check_eq "one that holds none" "$(ctl --json status | jq -r .key.why)" \
    "the key file cannot be used: not JSON ($SB_DIR/vm.key)"
sandbox_done
