#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# A process that runs since before the programs were attached has no executable
# for mspd, but for root's on the host, and the record of its denial says so. A
# restart of mspd alone forgets nobody.
. "$(dirname "$0")/../../harness/sandbox.sh"
. "$(dirname "$0")/keep.sh"

USER=1000:1000

# "verdict reason exe_name" of the last connect of the user, as the table has it
last() {
    audit_rows '.stage == "connect" and .uid == 1000' | jq -rs \
        'max_by(.last) | "\(.verdict) \(.reason) \(.exe_name)"'
}

in_force() {
    push_policy "$(policy "$(item "$1" deny "$(rules /metadata/versions "$2")")")"
}

sandbox_up
APP=$SB_DIR/apps/backup-agent
mkdir "$SB_DIR/apps"
install -m 0755 "$SB_DIR/bin/mspspoof" "$APP"
install -m 0755 "$SB_DIR/bin/mspspoof" "$SB_DIR/apps/copy"
sandbox_start_sim
for kept in file name audited; do
    keep "user.$kept" "$APP" ask
done
WHO=0:0 keep root "$APP" ask
sandbox_start_mspd
in_force enforce "\"exePath\":\"$APP\""

denied "a user's process from before mspd is denied" user.file
check_eq "and its record says why" "$(last)" "deny no-exec-record -"
allowed "root's process from before mspd has its executable" root
new "a copy is denied" EPERM "$SB_DIR/apps/copy" ask
check_eq "since no rule is for it" "$(last)" "deny no-rule-for-you copy"
new "what the user starts now is allowed" 200 "$APP" ask
in_force enforce '"processName":"backup-agent","uid":1000'
denied "a process from before mspd has no name either" user.name
check_eq "and its record says so" "$(last)" "deny no-exec-record -"

in_force audit "\"exePath\":\"$APP\""
finish user.audited
check_eq "in mode audit it is served" "$GOT" 200
check_eq "and what would deny it is said" \
    "$(audit_rows '.stage == "request" and .verdict == "audit"' |
        jq -r '"\(.reason) \(.exe_name)"')" "no-exec-record -"

in_force enforce "\"exePath\":\"$APP\""
keep restart "$APP" ask
keep detached "$APP" ask
sandbox_stop_mspd
sandbox_start_mspd
allowed "a restart of mspd alone forgets nobody" restart
check "detached" ctl detach --yes
wait "$SB_MSPD"
sandbox_start_mspd
denied "after a detach and a new start it is as at first" detached
check_eq "and its record says why" "$(last)" "deny no-exec-record -"
sandbox_done
