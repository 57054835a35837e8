#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# Who may write to an executable whose contents the policy demands changes it
# twice within what one time stamp can tell: executes others and puts the right
# ones back, or lets the right ones be read and puts others there. On ext4 with
# small inodes that is a second, elsewhere a tick of the clock.
. "$(dirname "$0")/../../harness/sandbox.sh"
. "$(dirname "$0")/../exec/keep.sh"

USER=1000:1000

# put FIVE-BYTES: the contents' end, as the user, in place
put() {
    printf '%s' "$1" | run_as "$USER" vm \
        dd of="$APP" bs=1 seek="$AT" conv=notrunc status=none
}

seconds() {
    stat -c %Z "$APP"
}

# What a second has already had of itself, in microseconds.
second_begins() {
    until ((10#${EPOCHREALTIME#*[.,]} < 30000)); do
        sleep 0.005
    done
}

# Others are executed, and have let go of the file; the right ones come back.
executed_between() {
    local from
    second_begins
    put EVIL!
    from=$(seconds)
    keep "$1" "$APP" mm-map /usr/bin/true ask
    put RIGHT
    [[ $(seconds) == "$from" ]]
}

# The right ones are there for half a second; then others.
written_after() {
    local from
    second_begins
    put RIGHT
    from=$(seconds)
    sleep 0.5
    put EVIL!
    [[ $(seconds) == "$from" ]]
}

# carried_out STEP NAME: until it was done within one second, for which a busy
# machine may be too slow; sets ATTACKER.
carried_out() {
    local try
    for try in 1 2 3 4 5 6 7 8 9 10; do
        ATTACKER=$2_$try
        "$1" "$ATTACKER" && return
        note "$1: not within one second"
    done
    die "$1 was never done within one second"
}

no_longer_known() {
    [[ $(ctl --json status | jq '.unresolved | length') != 0 ]]
}

enforce() {
    push_policy "$(policy "$(item "$1" deny "$(rules /metadata/versions \
        "\"exePath\":\"$APP\",\"exeSha256\":\"$SHA\"")")")"
}

all_off() {
    sim_mode imds=off
    enforce disabled
    carried_out executed_between off
    journal_mark
    finish "$ATTACKER"
    check_eq "off: who executed other contents is served" \
        "$GOT $(journal_count ".client_id == \"$ATTACKER\"")" "200 1"
    carried_out written_after off
    new "off: and so are contents put there later" 200 "$APP" ask
    put RIGHT
}

all_on() {
    sim_mode imds=enforce
    sleep 1.2 # the contents are old when they are read
    enforce enforce
    new "the right contents" 200 "$APP" ask
    sandbox_stop_mspd KILL # so that it reads the file after all that
    carried_out executed_between on
    sandbox_start_mspd
    check "the right contents once more" until_true 5 is_answered 200 \
        "$APP" ask
    denied "who executed other contents has no right" "$ATTACKER"
    carried_out written_after on
    check "contents put there later have none" until_true 5 no_longer_known
    new "and who executes them is denied" EPERM "$APP" ask
    put RIGHT
    check "the right ones have it when they were read" until_true 5 \
        is_answered 200 "$APP" ask
}

sandbox_up
DIR=$SB_DIR/apps
APP=$DIR/backup-agent
mkdir "$DIR"
truncate -s 16M "$SB_DIR/fs.img"
mkfs.ext4 -q -F -I 128 "$SB_DIR/fs.img" >"$SB_DIR/tmp/mkfs" 2>&1 || die "mkfs"
mount -o loop "$SB_DIR/fs.img" "$DIR" || die "mount"
cp "$SB_DIR/bin/mspspoof" "$APP"
AT=$(stat -c %s "$APP")
printf RIGHT >>"$APP"
chown 0:1000 "$APP"
chmod 0775 "$APP"
SHA=$(sha256sum "$APP" | cut -d' ' -f1)
sandbox_start_sim
sandbox_start_mspd
all_off
all_on
sandbox_done
