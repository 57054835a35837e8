#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# A policy may name a file on a file system that never answers: that identity
# matches nobody, and nothing else waits for it, neither the push for ever, nor
# listeners, nor the other files, nor status.
. "$(dirname "$0")/../../harness/sandbox.sh"
. "$(dirname "$0")/keep.sh"

USER=1000:1000

# two identities: i by a file, h by one that hangs, of contents
two() {
    printf '{"privileges":[{"name":"p","path":"/metadata/versions"}],'
    printf '"roles":[{"name":"r","privileges":["p"]}],"identities":['
    printf '{"name":"i","exePath":"%s"},' "$APP"
    for n in 1 2 3 4 5 6 7 8 9 10 11 12; do
        printf '{"name":"h%d","exePath":"%s/tool%d"},' "$n" "$HANG" "$n"
    done
    printf '{"name":"h","exePath":"%s/tool","exeSha256":"%064d"}],' "$HANG" 0
    printf '"roleAssignments":[{"role":"r","identities":["i","h"]}]}'
}

why_of() {
    ctl --json status |
        jq -r --arg i "$1" '.unresolved[] | select(.identity == $i) | .why'
}

ms() {
    local begin=${EPOCHREALTIME/[.,]/}
    "$@" >"$SB_DIR/ms.out" 2>&1 || die "$*: $(<"$SB_DIR/ms.out")"
    MS=$(((${EPOCHREALTIME/[.,]/} - begin) / 1000))
    note "${*:1:3}: $MS ms"
}

push_two() {
    push_policy "$(policy "$(item enforce deny "$(two)")")"
}

# Processes of mspd-netns that are left behind.
n_openers() {
    local pid n=0
    for pid in $(child_pid mspd-netns); do
        n=$((n + 1))
    done
    echo $((n - 1))
}

sandbox_up
[[ -c /dev/fuse ]] || skip "FUSE"
DIR=$SB_DIR/apps
APP=$DIR/backup-agent
HANG=$SB_DIR/hang
mkdir "$DIR" "$HANG"
install -m 0755 "$SB_DIR/bin/mspspoof" "$APP"
install -m 0755 "$SB_DIR/bin/mspspoof" "$DIR/copy"
sandbox_start_sim
sandbox_start_mspd

mkfifo "$SB_DIR/hangfs"
exec {said}<>"$SB_DIR/hangfs"
(exec_in "$SB_HOST_CG" "$(dirname "$0")/hangfs.py" "$HANG" >&"$said") &
HANGFS=$!
SB_PIDS+=("$HANGFS")
read -r -t 10 -u "$said" line || skip "FUSE mounts"
[[ $line == mounted ]] || die "hangfs: $line"

ms push_two
check "a push ends all the same" test "$MS" -lt 8000
check "somebody did ask the file system" read -r -t 1 -u "$said" line
new "another file of that policy counts" 200 "$APP" ask
new "a copy of it does not" EPERM "$DIR/copy" ask
check_eq "status says what hangs" "$(why_of h)" "no answer in time"
check_eq "and nothing of the other one" "$(why_of i)" ""

ms ctl status
check "status does not wait" test "$MS" -lt 500
make_netns other
ms ctl netns add "$SB_DIR/ns/other"
check "a listener does not wait" test "$MS" -lt 500
install -m 0755 "$DIR/copy" "$APP.new"
mv "$APP.new" "$APP"
within "a replaced file is noticed meanwhile" 200 "$APP" ask
# asked again and again: each path costs one process at most
sleep 12
check "few processes are left behind" test "$(n_openers)" -le 14
check "but some are: nothing can end them" test "$(n_openers)" -ge 1
ms ctl netns list
check "still nothing waits" test "$MS" -lt 500
push_policy "$(policy "$(item enforce deny "$(rules /metadata/versions \
    "\"exePath\":\"$DIR/copy\"")")")"
new "a policy without it is as it ought to be" 200 "$DIR/copy" ask
kill -KILL "$HANGFS"
wait "$HANGFS" 2>/dev/null
is_left() {
    (($(n_openers) == 0))
}
check "once the file system is gone, so are they" until_true 5 is_left
umount -l "$HANG"
sandbox_done
