#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# exeSha256 in tier "lsm": the kernel reads the file at exec. On tmpfs a shared
# mapping changes contents and leaves the ctime: without LSM programs the old
# digest then vouches for the new contents, with them it does not. And a change
# of the ctime alone takes nobody's right.
. "$(dirname "$0")/../../harness/sandbox.sh"
# shellcheck source=SCRIPTDIR/../exec/keep.sh
. "$(dirname "$0")/../exec/keep.sh"

USER=1000:1000

# Writes the file's last byte by a mapping, as its owner may.
rewrite() {
    (exec_as "$USER" vm python3 - "$APP" "$1") <<'END'
import mmap
import sys

with open(sys.argv[1], "r+b") as f, mmap.mmap(f.fileno(), 0) as m:
    m[-1:] = sys.argv[2].encode()
END
}

ctime() {
    stat -c %z "$APP"
}

named() {
    push_policy "$(policy "$(item enforce deny "$(rules /metadata/versions \
        "\"exePath\":\"$APP\",\"exeSha256\":\"$SHA\"")")")"
}

sandbox_up
mkdir "$SB_DIR/apps"
mount -t tmpfs -o mode=0755 apps "$SB_DIR/apps"
APP=$SB_DIR/apps/app
cp "$SB_DIR/bin/mspspoof" "$APP"
printf A >>"$APP"
chown 1000:1000 "$APP"
chmod 0755 "$APP"
SHA=$(sha256sum "$APP" | cut -d' ' -f1)

sandbox_start_sim
sandbox_start_mspd --lsm off
named
new "without LSM programs: contents as demanded" 200 "$APP" ask
before=$(ctime)
rewrite B
check "other contents" test "$(sha256sum "$APP" | cut -d' ' -f1)" != "$SHA"
check_eq "have the same ctime" "$(ctime)" "$before"
new "and their right" 200 "$APP" ask
keep touched "$APP" ask
chmod 0711 "$APP"
denied "while a chmod takes it" touched
sandbox_stop_mspd

rewrite A
sandbox_start_mspd --lsm require
named
check_eq "the kernel reads executables" "$(ctl --json status | jq -r .lsm.hash)" \
    sha256
new "with them: contents as demanded" 200 "$APP" ask
before=$(ctime)
rewrite B
check_eq "other contents, the same ctime" "$(ctime)" "$before"
new "have no right" EPERM "$APP" ask
rewrite A
new "the right ones once more" 200 "$APP" ask
keep touched "$APP" ask
chmod 0755 "$APP"
allowed "a chmod takes nothing" touched
keep forked "$APP" fork ask
sandbox_stop_mspd KILL
rewrite B || note "it runs: cannot be written"
sandbox_start_mspd
allowed "what a process was stays what it was" forked
sandbox_done
