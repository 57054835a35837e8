#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# LD_PRELOAD lends a stranger's code the rights of an executable the policy
# names: shown first without LSM programs, by the program and as a script's
# interpreter. With them the linker takes no library from its caller for such a
# program, and for all others as ever.
. "$(dirname "$0")/../../harness/sandbox.sh"

USER=2001:3001
SERVED="preloaded: HTTP/1.1 200 OK"
URL=http://$IMDS/metadata/versions

# preload COMMAND...: what the library says from within the command
preload() {
    run_as "$USER" vm env LD_PRELOAD="$SB_DIR/bin/libmsppreload.so" "$@" \
        2>"$SB_DIR/err" | grep preloaded
}

sandbox_up
APP=$SB_DIR/bin/mspclient
printf '#!%s\n' "$APP" >"$SB_DIR/bin/script"
chmod 0755 "$SB_DIR/bin/script"
cp "$APP" "$SB_DIR/bin/other"
sandbox_start_sim
sandbox_start_mspd --lsm off
push_policy "$(policy "$(item enforce deny \
    "$(rules /metadata/versions "\"exePath\":\"$APP\"")")")"
check_eq "without LSM programs: it has the right" "$(preload "$APP")" "$SERVED"
check_eq "as an interpreter too" "$(preload "$SB_DIR/bin/script")" "$SERVED"
check_eq "elsewhere it has none" "$(preload "$SB_DIR/bin/other")" \
    "preloaded: nothing"
sandbox_stop_mspd
sandbox_start_mspd --lsm require
check_eq "nothing is preloaded" "$(preload "$APP")" ""
check_eq "nor into an interpreter" "$(preload "$SB_DIR/bin/script")" ""
check_eq "into others as ever" "$(preload "$SB_DIR/bin/other")" \
    "preloaded: nothing"
check_eq "the program itself is served" \
    "$(ask mspclient "$USER" vm "$IMDS:80" /metadata/versions own)" 200
check_eq "and others are not" "$(http_code "$USER" vm "$URL")" EPERM
check_eq "status no longer says it is a limit" "$(ctl --json status |
    jq '[.not_covered[].text | select(test("preload"))] | length')" 0
sandbox_stop_mspd KILL
check_eq "mspd killed: nothing is preloaded" "$(preload "$APP")" ""
sandbox_done
