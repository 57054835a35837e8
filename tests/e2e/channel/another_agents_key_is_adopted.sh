#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# The host has latched a key with an agent that was here before. By option its
# file is found and used; one of another key, or that others than root may
# write, is not, and the directory is never written to. The simulator gives no
# latched key out, so it is this file or none.
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"

# refused CLAIM: with the directory as it is now there is no key
refused() {
    start_channel --adopt-keys "$theirs"
    check "$1: none is got" until_true 10 says \
        'Failed to acquire key details: HTTP status 403'
    check_eq "$1: there is no key" "$(of .key.state)" none
    check_eq "$1: the user gets 503" "$(versions)" 503
    sandbox_stop_mspd
}

contents() {
    find "$theirs" -printf '%P %s %m %T@ %l\n' | sort
}

sandbox_up
theirs=$SB_DIR/theirs
guid=$(jq -r .guid "$SB_DIR/vm.key")
mkdir -m 0700 "$theirs"
sim_scenario "{\"latched\":true,\"rules\":$GUARDED}"
sandbox_start_sim
start_channel
push_policy "$(policy "$(item enforce allow)")"
sandbox_stop_mspd

refused "an empty directory"
install -m 0620 "$SB_DIR/vm.key" "$theirs/$guid.key"
refused "a file that a group may write"
install -m 0600 "$SB_DIR/vm.key" "$theirs/$guid.key"
chown 2001 "$theirs/$guid.key"
refused "a file of another user"
rm "$theirs/$guid.key"
install -m 0600 "$SB_DIR/vm.key" "$SB_DIR/elsewhere"
ln -s "$SB_DIR/elsewhere" "$theirs/$guid.key"
refused "a link"
rm "$theirs/$guid.key"
jq '.guid = "00000000-0000-4000-8000-000000000000"' "$SB_DIR/vm.key" \
    >"$theirs/$guid.key"
chmod 0600 "$theirs/$guid.key"
refused "the file of another key"

# as that agent writes it, members of later versions included
jq '. + {"later":{"version":2}}' "$SB_DIR/vm.key" >"$theirs/$guid.key"
before=$(contents)
start_channel
check "without the option" until_true 10 says \
    'Failed to acquire key details: HTTP status 403'
sandbox_stop_mspd
journal_mark
start_channel --adopt-keys "$theirs"
check "a sound file: there is a key" until_true 10 has_key
check_eq "it is the host's" "$(of .key.guid)" "$guid"
check "and the user is served" until_true 10 is_served
check_eq "none was asked for" \
    "$(journal_count '.target == "/secure-channel/key"')" 0
check_eq "the other agent's directory is as it was" "$(contents)" "$before"
sandbox_stop_mspd
rm -r "$theirs"
start_channel --adopt-keys "$theirs"
check_eq "that directory gone: it is said once" \
    "$(grep -c "key.adopt.*$theirs.*No such file" "$SB_DIR/mspd.log")" 1
check "that directory gone: the key was stored" until_true 10 has_key
check "and the user is served still" until_true 10 is_served
sandbox_done
