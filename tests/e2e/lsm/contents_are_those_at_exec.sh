#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# exeSha256 in tier "lsm": the kernel reads the file at exec. So a process keeps
# the right of its contents when only the ctime changes, which without LSM
# programs it loses, and other contents have none from their first exec on, with
# mspd or without it.
. "$(dirname "$0")/../../harness/sandbox.sh"
# shellcheck source=SCRIPTDIR/../exec/keep.sh
. "$(dirname "$0")/../exec/keep.sh"

USER=1000:1000

# Writes the file's last byte, as its owner may.
rewrite() {
    (exec_as "$USER" vm python3 - "$APP" "$1") <<'END'
import os
import sys

with open(sys.argv[1], "r+b") as f:
    f.seek(-1, os.SEEK_END)
    f.write(sys.argv[2].encode())
END
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
within "without LSM programs: contents as demanded" 200 "$APP" ask
keep touched "$APP" ask
chmod 0711 "$APP"
denied "a chmod takes it from who runs them" touched
sandbox_stop_mspd

sandbox_start_mspd --lsm require
named
check_eq "the kernel reads executables" "$(ctl --json status | jq -r .lsm.hash)" \
    sha256
new "with them: contents as demanded" 200 "$APP" ask
keep still "$APP" ask
chmod 0755 "$APP"
allowed "a chmod takes nothing" still
new "from nobody" 200 "$APP" ask
rewrite B
new "other contents have no right" EPERM "$APP" ask
rewrite A
new "the right ones once more, at once" 200 "$APP" ask
keep forked "$APP" fork ask
sandbox_stop_mspd KILL
sandbox_start_mspd
allowed "a child is what its parent was" forked
sandbox_stop_mspd KILL
rewrite B
new "nobody is there to read: other contents have no right" EPERM "$APP" ask
sandbox_done
