#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# Where a new key cannot be stored, it is not attested, or it would be lost for
# good: the key in use stays, what is enforced stays, status says degraded. Once
# there is room again the next poll does the rest.
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"

OTHER=2002:3002

other() {
    http_code "$OTHER" vm "http://$IMDS/metadata/versions"
}

# cannot CLAIM ERROR: while the store is as it is now
cannot() {
    local key
    key=$(of .key.guid)
    incarnation=$((incarnation + 1))
    journal_mark
    sim_scenario "{\"incarnation\":$incarnation,\"rules\":$GUARDED}"
    check "$1: the channel says it" \
        until_true 10 says "Failed to save key details to file: $2"
    check_eq "$1: nothing was attested" \
        "$(journal_count '.target | endswith("/key-attestation")')" 0
    check_eq "$1: the key in use stays" "$(of .key.guid)" "$key"
    check_eq "$1: the user is relayed, signed as before" "$(versions)" 401
    check_eq "$1: nothing is unsigned" "$(theirs '.signed == "none"')" 0
    check_eq "$1: the other user is denied" "$(other)" EPERM
    check_eq "$1: status says degraded" \
        "$(ctl status >/dev/null; echo $?)" 4
    check_eq "$1: no half file" "$(find "$store" -name '*.tmp')" ""
}

mended() {
    check "$1: the next poll mends it" until_true 10 is_served
    check_eq "$1: with the key of the host" "$(of .key.guid)" "$(latched)"
}

sandbox_up
store=$SB_DIR/state/keys
incarnation=1
mkdir -p "$store"
mount -t tmpfs -o "size=16k,mode=0770,gid=$(id -g mspd-keeper)" keys "$store" ||
    die "no tmpfs"
sim_scenario "{\"rules\":$GUARDED}"
sandbox_start_sim
start_channel
check "a key is latched" until_true 10 has_key
push_policy "$(policy "$(item disabled allow)")"
check_eq "with enforcement off the other user gets through" "$(other)" 401
push_policy "$(policy "$(item enforce deny \
    "$(rules /metadata/versions '"uid":2001')")")"
check "the user is served" until_true 10 is_served

dd if=/dev/zero of="$store/filler" bs=4k count=64 2>/dev/null
cannot "full" "No space left on device"
rm "$store/filler"
mended "room again"

mount -o remount,ro "$store"
cannot "read-only" "Read-only file system"
mount -o remount,rw "$store"
mended "writable again"
sandbox_done
