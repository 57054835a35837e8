#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# Who reads the files all the time never sees a half one or none. A link that
# was planted is replaced, not followed. Where they cannot be written the state
# is degraded and says why, callers are served as before, what was there stays,
# and with room again the next attempt mends it.
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"

READER="$(dirname "$0")/reader.py"

# start_reader FILE NAME: what it prints is in $SB_DIR/NAME
start_reader() {
    /usr/bin/python3 -B "$READER" "$1" "$SB_DIR/$2.stop" >"$SB_DIR/$2" &
    READERS+=("$!")
    SB_PIDS+=("$!")
}

stop_readers() {
    touch "$SB_DIR/own.stop" "$SB_DIR/theirs.stop" "$SB_DIR/torn.stop"
    wait "${READERS[@]}"
    READERS=()
}

# A file that is truncated and written, as a bad writer would: it must be seen.
torn() {
    local i
    printf '{}' >"$SB_DIR/torn.json"
    start_reader "$SB_DIR/torn.json" torn
    for ((i = 0; i < 50; i++)); do
        jq -c . "$SB_DIR/run/status.json" >"$SB_DIR/torn.json"
    done
    stop_readers
    rm "$SB_DIR"/*.stop
    read -r _ _ i <"$SB_DIR/torn"
    check "a reader sees a file that is not written at once" test "$i" -gt 0
}

has_digest() {
    [[ $(own .policy.digest) == "$1" ]]
}

other_policy() {
    push_policy "$(policy "$(item enforce allow \
        "$(rules "/metadata/v$1" '"uid":2001')")")"
    until_true 10 has_digest "$(of .policy.digest)"
}

state_of() {
    of ".reports[] | select(.file | contains(\"$1\")) | .state"
}

is_state_of() {
    [[ $(state_of "$1") == "$2" ]]
}

says_why() {
    [[ $(of '.reports[] | select(.file | contains("/platform/")) | .why') == \
        "$1" ]]
}

# cannot CLAIM ERROR
cannot() {
    check "$1: status has it" until_true 20 is_state_of /platform/ failed
    check "$1: and why" until_true 20 says_why "$2"
    check_eq "$1: degraded" "$(ctl status >/dev/null; echo $?)" 4
    check "$1: our own file says so" until_true 10 \
        grep -q "a report cannot be written" "$SB_DIR/run/status.json"
    check "$1: what was there stays whole" \
        jq -e .proxyAgentStatus.status "$SB_DIR/platform/status.json"
    check_eq "$1: no half file" "$(find "$SB_DIR/platform" -name '*.new')" ""
    check "$1: the user is served" is_served
}

mended() {
    stamp=$(date -u +%Y-%m-%dT%H:%M:%S)
    check "$1: written again" until_true 20 is_state_of /platform/ written
    check "$1: anew" until_true 20 is_newer
    check_eq "$1: nothing is amiss" "$(ctl status >/dev/null; echo $?)" 0
}

is_newer() {
    [[ $(theirs_of .timestamp) > "$stamp" ]]
}

sandbox_up
sim_scenario "{\"rules\":$GUARDED}"
sandbox_start_sim
mkdir "$SB_DIR/platform"
mount -t tmpfs -o size=64k,mode=0755 reports "$SB_DIR/platform" ||
    die "no tmpfs"
start_channel --platform-status "$SB_DIR/platform"
other_policy 0
check "the user is served" until_true 10 is_served
READERS=()
torn

start_reader "$SB_DIR/run/status.json" own
start_reader "$SB_DIR/platform/status.json" theirs
for i in {1..10}; do
    check "policy $i is reported" other_policy "$i"
done
stop_readers
note "reads, texts, torn: $(<"$SB_DIR/own"); $(<"$SB_DIR/theirs")"
for name in own theirs; do
    read -r reads texts torn <"$SB_DIR/$name"
    check "$name: read a thousand times" test "$reads" -ge 1000
    check_eq "$name: never half or gone" "$torn" 0
done
read -r _ texts _ <"$SB_DIR/own"
check "own: it had ten texts" test "$texts" -ge 10

echo precious >"$SB_DIR/precious"
for file in "$SB_DIR/run/status.json" "$SB_DIR/platform/status.json"; do
    ln -sf "$SB_DIR/precious" "$file.new"
    ln -sf "$SB_DIR/precious" "$file"
done
other_policy 11
check "links are replaced" test -f "$SB_DIR/platform/status.json" -a \
    ! -L "$SB_DIR/platform/status.json" -a ! -L "$SB_DIR/run/status.json"
check_eq "and not followed" "$(<"$SB_DIR/precious")" precious
check_eq "nothing is left beside them" \
    "$(find "$SB_DIR/run" "$SB_DIR/platform" -name '*.new')" ""

dd if=/dev/zero of="$SB_DIR/platform/filler" bs=4k count=64 2>/dev/null
cannot "full" "No space left on device"
rm "$SB_DIR/platform/filler"
mended "room again"
mount -o remount,ro "$SB_DIR/platform"
cannot "read-only" "Read-only file system"
mount -o remount,rw "$SB_DIR/platform"
mended "writable again"
chmod 0777 "$SB_DIR/platform"
cannot "others may write there" "Operation not permitted"
chmod 0755 "$SB_DIR/platform"
mended "root's alone again"
sandbox_done
