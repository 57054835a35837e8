#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# A cold boot with the host away, then back: nobody is let through, and within
# one poll of its return everything is. What was latched is kept: mspd killed
# or started again uses the stored key and asks for none. The simulator gives
# a latched key out no second time.
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"

store_of() {
    stat -c '%A %U:%G' "$SB_DIR/state/keys"
    stat -c '%A %U:%G' "$SB_DIR/state/keys"/*
}

again() {
    journal_mark
    start_channel
    check "$1: there is a key" until_true 10 has_key
    check_eq "$1: it is the same" "$(of .key.guid)" "$guid"
    check "$1: the user is served" until_true 10 is_served
    check "$1: found among the files" \
        until_true 10 says 'Found key details from local'
    check_eq "$1: no other was asked for" \
        "$(journal_count '.target == "/secure-channel/key"')" 0
}

sandbox_up
sim_scenario "{\"rules\":$GUARDED}"
start_channel
push_policy "$(policy "$(item enforce allow)")"
check "host away: the channel says so" \
    until_true 10 says 'Failed to get key status - '
check_eq "host away: nothing is known" "$(of .channel.state)" Unknown
check_eq "host away: a user gets 503" "$(versions)" 503
check_eq "host away: status says degraded" \
    "$(ctl status >/dev/null; echo $?)" 4

sandbox_start_sim
check "host back: a key within a poll" until_true 2 has_key
guid=$(latched)
check_eq "it is the one the host latched" "$(of .key.guid)" "$guid"
check_eq "the state is the platform's text" "$(of .channel.state)" "$ENFORCED"
check "the user is served" until_true 5 is_served
check_eq "the host saw no request unsigned" "$(theirs '.signed != "valid"')" 0
check "and some signed" test "$(theirs '.signed == "valid"')" -ge 1
check_eq "key files are the keeper's alone" "$(store_of)" \
    'drwxrwx--- root:mspd-keeper
-rw------- mspd-keeper:mspd-keeper
-rw------- mspd-keeper:mspd-keeper'
check_eq "and which is in use" "$(cat "$SB_DIR/state/keys/latched")" "$guid"
check_eq "one was issued" "$(events issued | wc -l)" 1
journal_mark
check "it goes on polling" until_true 5 has_polled 3
check_eq "and asks for nothing else" "$(theirs true)" 0
check_eq "the keeper has no capability" \
    "$(grep -h Cap "/proc/$(child_pid mspd-keeper)/status" |
        grep -v CapBnd | tr -d '0\t ' | tr '\n' ' ')" \
    "CapInh: CapPrm: CapEff: CapAmb: "

sandbox_stop_mspd
again "started again"
sandbox_stop_mspd KILL
again "killed and started again"
sandbox_stop_mspd
# more files than are kept, and all of them newer
for ((i = 0; i < 20; i++)); do
    cp -p "$SB_DIR/state/keys/$guid.key" "$(printf \
        '%s/%08x-0316-4ad3-94a7-8ccbdee8ccbf.key' "$SB_DIR/state/keys" "$i")"
    touch "$(printf '%s/%08x-0316-4ad3-94a7-8ccbdee8ccbf.key' \
        "$SB_DIR/state/keys" "$i")"
done
again "started again among newer files"
check "the oldest others are gone" \
    test "$(find "$SB_DIR/state/keys" -name '*.key' | wc -l)" -le 17
rm -f "$SB_DIR/state/keys"/0000*.key
keeper=$(child_pid mspd-keeper | head -n 1)
journal_mark
kill -KILL "$keeper"
check "keeper killed: the user is served all the time" is_served
check "keeper killed: a new one polls" until_true 10 has_polled 2
check_eq "keeper killed: the same key" "$(of .key.guid)" "$guid"

# WireServer away at the start: the key in use last is on disk, and serves at
# once, for IMDS may be there. The first answer confirms it, or does not.
away() {
    back "\"status\":[{\"times\":0,\"hang_up\":true}]${1:+,$1}"
}
back() {
    sim_scenario "{\"rules\":$GUARDED${1:+,$1}}"
}
for signal in TERM KILL; do
    sandbox_stop_mspd "$signal"
    away
    journal_mark
    start_channel
    check "WireServer away, $signal: the user is served" until_true 2 is_served
    check_eq "WireServer away, $signal: by the key in use last" \
        "$(of .key.guid)" "$guid"
    check "WireServer away, $signal: and it is told" \
        until_true 10 says 'Failed to get key status'
    check_eq "WireServer away, $signal: status says degraded" \
        "$(ctl status >/dev/null; echo $?)" 4
    check_eq "WireServer away, $signal: nothing went out unsigned" \
        "$(theirs '.signed != "valid"')" 0
    back
    check "WireServer back, $signal: the key is the latched one" \
        until_true 10 says 'Found key details from local'
done
# a reset that nobody here saw: what it signs is refused, until the host says
sandbox_stop_mspd
away '"incarnation":7'
start_channel
check_eq "reset meanwhile, WireServer away: the host refuses it" "$(versions)" \
    401
back '"incarnation":7'
check "reset meanwhile, WireServer back: a key of its own" \
    until_true 10 is_served
guid=$(latched)
check_eq "reset meanwhile: the latched one" "$(of .key.guid)" "$guid"
check_eq "reset meanwhile: and noted" "$(cat "$SB_DIR/state/keys/latched")" \
    "$guid"
# disabled: none is in use any more, also after a start
back '"incarnation":7,"enabled":false'
check "disabled: no key" until_true 10 is_state disabled
sandbox_stop_mspd
away '"incarnation":7'
start_channel
check_eq "disabled, then WireServer away: no key" "$(of .key.state)" none
check_eq "disabled: none is noted" \
    "$(test -e "$SB_DIR/state/keys/latched"; echo $?)" 1
back '"incarnation":7'
check "guarded again: the key" until_true 10 is_served

# The host gives what it latched to nobody again: without the file there is no
# key, until the latch is reset.
file=$SB_DIR/state/keys/$guid.key
cp -p "$file" "$SB_DIR/kept"
lost() {
    start_channel
    check "$1: none is got" until_true 10 says \
        'Failed to acquire key details: HTTP status 403'
    check_eq "$1: the user gets 503" "$(versions)" 503
    sandbox_stop_mspd
}
sandbox_stop_mspd
head -c 100 "$SB_DIR/kept" >"$file"
lost "half a file"
jq '.guid = "00000000-0000-4000-8000-000000000000"' "$SB_DIR/kept" >"$file"
lost "the file of another key"
cat "$SB_DIR/kept" >"$file"
chmod 0666 "$file"
lost "a file that others may write"
rm "$file"
ln -s "$SB_DIR/kept" "$file"
lost "a link"
rm "$file"
journal_mark
lost "no file"
check_eq "nothing of it went out unsigned" "$(theirs true)" 0
start_channel
sim_scenario "{\"incarnation\":8,\"rules\":$GUARDED}"
check "the latch reset: the user is served" until_true 10 is_served
check "with another key" test "$(of .key.guid)" != "$guid"
sandbox_done
