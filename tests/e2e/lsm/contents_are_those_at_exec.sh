#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# exeSha256 in tier "lsm": the kernel reads the file at exec. So a file that its
# owner may write counts as well, a process keeps the right of its contents when
# only the ctime changes, and other contents have none from their first exec on,
# with mspd or without it. Without LSM programs the first two are not so.
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

# /metadata/versions to the file with these contents, /sim to the file.
named() {
    local sha
    sha=$(sha256sum "$APP" | cut -d' ' -f1)
    push_policy "$(policy "$(item enforce deny '{
        "privileges": [{"name": "p", "path": "/metadata/versions"},
                       {"name": "q", "path": "/sim"}],
        "roles": [{"name": "r", "privileges": ["p"]},
                  {"name": "s", "privileges": ["q"]}],
        "identities": [
            {"name": "i", "exePath": "'"$APP"'", "exeSha256": "'"$sha"'"},
            {"name": "j", "exePath": "'"$APP"'"}],
        "roleAssignments": [{"role": "r", "identities": ["i"]},
                            {"role": "s", "identities": ["j"]}]}')")"
}

# seen WHAT: mspd knows the file as it is now; what it is refused from here on
# is for its contents
seen() {
    within "$1: mspd has seen it" 200 env MSP_TARGET=/sim/status/200 "$APP" ask
}

sandbox_up
mkdir "$SB_DIR/apps"
mount -t tmpfs -o mode=0755 apps "$SB_DIR/apps"
APP=$SB_DIR/apps/app
cp "$SB_DIR/bin/mspspoof" "$APP"
printf A >>"$APP"
chmod 0755 "$APP"

sandbox_start_sim
sandbox_start_mspd --lsm off
named
check "without LSM programs: contents as demanded" \
    until_true 10 is_answered 200 "$APP" ask
keep touched "$APP" ask
chmod 0711 "$APP"
seen "a chmod"
journal_mark
finish touched
check_eq "takes it from who runs them" "$GOT $(journal_count)" "403 0"
chown 1000:1000 "$APP"
chmod 0755 "$APP"
seen "a chown"
check "a user's file is not read" until_true 5 grep -q \
    "exe.hash.*$APP.*not root's" "$SB_DIR/mspd.log"
new "and has no right" 403 "$APP" ask
sandbox_stop_mspd

sandbox_start_mspd --lsm require
named
check_eq "the kernel reads executables" "$(ctl --json status | jq -r .lsm.hash)" \
    sha256
new "with them: contents as demanded" 200 "$APP" ask
keep still "$APP" ask
chmod 0711 "$APP"
seen "a chmod"
allowed "takes nothing" still
new "from nobody" 200 "$APP" ask
rewrite B
seen "other contents"
new "have no right" 403 "$APP" ask
rewrite A
seen "the right ones once more"
new "have it at once" 200 "$APP" ask
keep forked "$APP" fork ask
sandbox_stop_mspd KILL
sandbox_start_mspd
allowed "a child is what its parent was" forked
sandbox_stop_mspd KILL
rewrite B
new "nobody is there to read: other contents have no right" EPERM "$APP" ask
sandbox_done
