#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# An upgrade under a running service: who runs the old file keeps its right, the
# new one has it within a second, a copy elsewhere and other contents never, and
# status says what names nothing. So too when mspd is not there to see it.
. "$(dirname "$0")/../../harness/sandbox.sh"
. "$(dirname "$0")/keep.sh"

USER=1000:1000

sha_of() {
    sha256sum "$1" | cut -d' ' -f1
}

# enforce IDENTITY-MEMBERS
enforce() {
    push_policy "$(policy "$(item enforce deny \
        "$(rules /metadata/versions "$1")")")"
}

# A new version: the same program with another tail, so other contents.
N=0
version() {
    cp "$SB_DIR/bin/mspspoof" "$DIR/.next"
    printf 'version %d' $((++N)) >>"$DIR/.next"
    chmod 0755 "$DIR/.next"
}

upgrade() {
    version
    mv "$DIR/.next" "$APP"
}

epoch() {
    ctl --json status | jq .policy.identity_epoch
}

# unresolved FIELD: of the one item there is
unresolved() {
    ctl --json status | jq -r ".unresolved[0].$1"
}

retired() {
    ctl --json status | jq .files.retired
}

has_retired() {
    [[ $(retired) == "$1" ]]
}

under_a_running_service() {
    local first
    first=$(epoch)
    keep first "$APP" ask
    upgrade
    noticed "the new file has its right"
    new "a copy of it elsewhere has none" EPERM "$DIR/copy" ask
    keep second "$APP" ask
    upgrade
    noticed "and the next one"
    allowed "who runs the first version keeps its right" first
    allowed "who runs the second one, too" second
    check_eq "the identity epoch has not moved" "$(epoch)" "$first"
}

# written in place, not moved there: two steps in which anything may be seen
deleted_and_written() {
    keep before "$APP" ask
    version
    rm "$APP"
    within "a deleted file: a copy has none still" EPERM "$DIR/copy" ask
    check_eq "status: which identity" "$(unresolved identity)" i
    check_eq "status: which selector" "$(unresolved selector)" exePath
    check_eq "status: which path" "$(unresolved name)" "$APP"
    check_eq "status: why" "$(unresolved why)" missing
    check "status in text says so, too" grep -q "$APP.*missing" <(ctl status)
    cp "$DIR/.next" "$APP"
    chmod 0755 "$APP"
    noticed "the file written in its place has its right"
    check_eq "status has nothing to say" "$(ctl --json status |
        jq '.unresolved | length')" 0
    allowed "who ran the deleted one keeps its right" before
}

while_no_mspd_is_there() {
    keep "before_$1" "$APP" ask
    upgrade
    within "one more upgrade" 200 "$APP" ask
    keep "at_$1" "$APP" ask
    sandbox_stop_mspd "$1"
    upgrade
    sandbox_start_mspd
    noticed "after a restart the new file has its right"
    allowed "who ran the file of the stop keeps it ($1)" "at_$1"
    allowed "who ran the one before, too ($1)" "before_$1"
    new "a copy has none" EPERM "$DIR/copy" ask
}

# Nothing is pinned then: files are found by the stored policy alone.
after_a_start_anew() {
    ctl detach --yes >/dev/null || die "detach"
    wait "$SB_MSPD" 2>/dev/null
    upgrade
    sandbox_start_mspd
    noticed "after a start anew the file has its right"
    new "and a copy has none" EPERM "$DIR/copy" ask
}

what_nobody_runs() {
    keep last "$APP" ask
    upgrade
    within "an upgrade" 200 "$APP" ask
    check "what nobody runs is forgotten, what is run is not" \
        until_true 45 has_retired 1
    allowed "and keeps its right" last
    check "until it ends" until_true 45 has_retired 0
}

contents() {
    enforce "\"exePath\":\"$APP\",\"exeSha256\":\"$(sha_of "$APP")\""
    new "contents as demanded" 200 "$APP" ask
    keep right "$APP" ask
    cp "$APP" "$DIR/.right"
    upgrade
    within "other contents have none" EPERM "$APP" ask
    check "status says so" until_true 2 test_why \
        "the file has $(sha_of "$APP")"
    check_eq "and of which selector" "$(unresolved selector)" exeSha256
    new "nor have the right contents elsewhere" EPERM "$DIR/.right" ask
    allowed "who runs the right ones keeps its right" right
    cp "$DIR/.right" "$APP"
    noticed "the right contents once more"
    printf x >>"$APP"
    within "and changed in place" EPERM "$APP" ask
}

test_why() {
    [[ $(unresolved why) == "$1" ]]
}

selectors_move_the_epoch() {
    local first
    enforce "\"exePath\":\"$APP\""
    first=$(epoch)
    enforce "\"exePath\":\"$APP\",\"uid\":1000"
    check_eq "another uid: a new epoch" "$(epoch)" $((++first))
    enforce "\"exePath\":\"$DIR/copy\",\"uid\":1000"
    check_eq "another path: a new epoch" "$(epoch)" $((++first))
    enforce "\"exePath\":\"$DIR/copy\",\"processName\":\"copy\",\"uid\":1000"
    check_eq "a base name: a new epoch" "$(epoch)" $((++first))
    enforce "\"exePath\":\"$DIR/copy\",\"cgroup\":\"/**\",\"uid\":1000"
    check_eq "a cgroup instead: a new epoch" "$(epoch)" $((++first))
    sandbox_stop_mspd KILL
    sandbox_start_mspd
    push_policy "$(policy "$(item audit deny "$(rules /metadata/versions \
        "\"exePath\":\"$DIR/copy\",\"cgroup\":\"/**\",\"uid\":1000")")")"
    check_eq "only another mode, after a restart: the same" "$(epoch)" "$first"
}

elsewhere() {
    mkdir "$DIR/low" "$DIR/up" "$DIR/work" "$DIR/merged"
    install -m 0755 "$APP" "$DIR/low/tool"
    mount -t overlay overlay \
        -o "lowerdir=$DIR/low,upperdir=$DIR/up,workdir=$DIR/work" \
        "$DIR/merged" || skip "overlayfs"
    enforce "\"exePath\":\"$DIR/merged/tool\""
    new "a file on overlay has no right" EPERM "$DIR/merged/tool" ask
    check_eq "and status says why" "$(unresolved why)" \
        "on a file system that is not accepted (overlay)"
    umount "$DIR/merged"
    mount -t tmpfs tmpfs "$DIR/merged"
    install -m 0755 "$DIR/low/tool" "$DIR/merged/tool"
    within "on tmpfs it has" 200 "$DIR/merged/tool" ask
    new "a copy has none" EPERM "$DIR/copy" ask
    umount "$DIR/merged"
    enforce "\"exePath\":\"$DIR/up\""
    check_eq "a directory" "$(unresolved why)" "not a regular file"
    mkfifo "$DIR/fifo"
    enforce "\"exePath\":\"$DIR/fifo\",\"exeSha256\":\"$(sha_of "$APP")\""
    check_eq "a FIFO, and it is not opened" "$(unresolved why)" \
        "not a regular file"
    enforce "\"userName\":\"nobody-of-this-name\",\"exePath\":\"$APP\""
    check_eq "an unknown user" "$(unresolved why)" unknown
    check "the push said so" grep -q nobody-of-this-name "$SB_DIR/push.out"
}

sandbox_up
DIR=$SB_DIR/apps
APP=$DIR/backup-agent
mkdir "$DIR"
install -m 0755 "$SB_DIR/bin/mspspoof" "$APP"
install -m 0755 "$SB_DIR/bin/mspspoof" "$DIR/copy"
sandbox_start_sim
sandbox_start_mspd

sim_mode imds=off
push_policy "$(policy "$(item disabled deny)")"
new "off: the file is served" 200 "$APP" ask
new "off: and a copy" 200 "$DIR/copy" ask
sim_mode imds=enforce

enforce "\"exePath\":\"$APP\""
new "the file" 200 "$APP" ask
new "a copy" EPERM "$DIR/copy" ask
under_a_running_service
deleted_and_written
while_no_mspd_is_there TERM
while_no_mspd_is_there KILL
after_a_start_anew
what_nobody_runs
contents
selectors_move_the_epoch
elsewhere
sandbox_done
