#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# A user without privilege comes by a file with the device, the inode and the
# generation that the executable of the policy had: on ext4 once that was
# replaced, by a FUSE of his own once its file system is gone. With enforcement
# off he is served; with it he is nobody, though mspd was not there to see.
. "$(dirname "$0")/../../harness/sandbox.sh"
. "$(dirname "$0")/../exec/keep.sh"

USER=1000:1000

enforce() {
    push_policy "$(policy "$(item "$1" deny \
        "$(rules /metadata/versions "\"exePath\":\"$APP\"")")")"
}

# Lets a kept attacker go on, until he is what he wants to be.
goes_on() {
    printf g >&"${GO[$1]}"
    read -r -t 30 -u "$READY" || die "$1: $(<"$SB_DIR/out.$1")"
}

# attacker NAME COMMAND...: has learnt the numbers
attacker() {
    keep "$@"
    # shellcheck disable=SC2154  # of keep()
    READY=$ready
}


served() {
    journal_mark
    finish "$2"
    check_eq "$1" "$GOT $(journal_count ".client_id == \"$2\" and
        .status == 200")" "200 1"
}

# --- ext4: its owner may set a file's generation -----------------------------

ext4_up() {
    DIR=$SB_DIR/ext4
    MINE=$DIR/mine
    APP=$DIR/bin/backup-agent
    mkdir "$DIR"
    truncate -s 64M "$SB_DIR/fs.img"
    # with metadata_csum, as mkfs has it by default, that is refused
    mkfs.ext4 -q -F -b 4096 -O ^metadata_csum "$SB_DIR/fs.img" || die "mkfs"
    mount -o loop "$SB_DIR/fs.img" "$DIR" || die "mount"
    mkdir "$DIR/bin" "$MINE"
    chown "$USER" "$MINE"
    install -m 0755 "$SB_DIR/bin/mspspoof" "$APP"
}

# replaced WHO: the executable is, while mspd is gone; WHO takes its numbers
replaced() {
    install -m 0755 "$SB_DIR/bin/mspspoof" "$DIR/bin/.next"
    attacker "$1" "$EVIL" takeover "$APP" "$MINE" "$EVIL" evil ask
    sandbox_stop_mspd KILL
    mv "$DIR/bin/.next" "$APP"
    goes_on "$1"
    sandbox_start_mspd
}

ext4_off() {
    sim_mode imds=off
    enforce disabled
    replaced "off_ext4"
    served "off: who has the numbers of a replaced file is served" off_ext4
}

ext4_on() {
    sim_mode imds=enforce
    rm -f "$MINE"/*
    enforce enforce
    new "ext4: the executable" 200 "$APP" ask
    new "ext4: a copy" EPERM "$EVIL" ask
    replaced "on_ext4"
    check "ext4: the new file has its right" until_true 5 is_answered 200 \
        "$APP" ask
    denied "ext4: who has the old one's numbers has none" on_ext4
}

# --- FUSE: what serves a file chooses its numbers ----------------------------

fuse_up() {
    grep -q fuse /proc/filesystems || skip "FUSE"
    DIR=$SB_DIR/tmpfs
    MINE=$SB_DIR/mine
    APP=$DIR/backup-agent
    export MSP_FUSE=$SB_DIR/fuse
    mknod -m 0666 "$MSP_FUSE" c 10 229 # as udev has it
    mkdir "$DIR" "$MINE"
    chown "$USER" "$MINE"
    # so that a file system goes for all; peers are this test's mounts only
    mount --make-rshared /
}

# gone WHO: the executable's file system is, while mspd is gone
gone() {
    attacker "$1" "$EVIL" fuse "$APP" "$MINE" "$EVIL" evil ask
    sandbox_stop_mspd KILL
    umount "$DIR" || die "umount"
    goes_on "$1"
    sandbox_start_mspd
}

tmpfs_up() {
    mount -t tmpfs tmpfs "$DIR"
    install -m 0755 "$SB_DIR/bin/mspspoof" "$APP"
}

fuse_off() {
    tmpfs_up
    sim_mode imds=off
    enforce disabled
    gone off_fuse
    served "off: who has the numbers of a file that is gone is served" off_fuse
}

fuse_on() {
    tmpfs_up
    sim_mode imds=enforce
    enforce enforce
    new "tmpfs: the executable" 200 "$APP" ask
    new "tmpfs: a copy" EPERM "$EVIL" ask
    gone on_fuse
    check "tmpfs: there is no executable" test ! -e "$APP"
    denied "FUSE: who has its numbers has no right" on_fuse
}

sandbox_up
EVIL=$SB_DIR/evil
install -m 0755 "$SB_DIR/bin/mspspoof" "$EVIL"
sandbox_start_sim
sandbox_start_mspd
ext4_up
ext4_off
ext4_on
fuse_up
fuse_off
fuse_on
sandbox_done
