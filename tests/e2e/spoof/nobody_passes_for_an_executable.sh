#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# A user without privilege passes for an executable he is not, or not alone, by
# every way known. With enforcement off he is served and a naive reader of
# /proc takes him for it; with a policy for the executable he gets nothing.
. "$(dirname "$0")/../../harness/sandbox.sh"

USER=1000:1000

# Where the executable of the policy is, and the attacker's own things.
setup_files() {
    APP=$SB_DIR/allowed/backup-agent
    MINE=$SB_DIR/mine
    EVIL=$MINE/evil
    mkdir "$SB_DIR/allowed" "$MINE" "$MINE/root" "$MINE/links"
    install -m 0755 "$SB_DIR/bin/mspspoof" "$APP"
    install -m 0755 "$SB_DIR/bin/mspspoof" "$EVIL"
    chown -R "$USER" "$MINE"
}

holds() {
    mkfifo "$SB_DIR/ready" "$SB_DIR/go"
    exec 8<>"$SB_DIR/ready" 9<>"$SB_DIR/go"
}

# Runs an attack until it has its answer; sets GOT and, read while it was about
# to ask, WHO. start ID COMMAND...
start() {
    local id=$1 pid='' part='' job
    shift
    WHO='{}'
    (MSP_HOLD=1 MSP_TO=$IMDS:80 MSP_TARGET=/metadata/versions MSP_ID=$id \
        exec_as "$USER" vm "$@") >"$SB_DIR/tmp/out" 2>"$SB_DIR/tmp/err" &
    job=$!
    until read -r -t 0.05 -u 8 part; do
        pid+=$part # what came of the line before the time was over
        kill -0 "$job" 2>/dev/null || break
    done
    pid+=$part
    if [[ $pid ]]; then
        WHO=$("$SB_DIR/bin/mspspoof" who "$pid" "$APP")
        printf g >&9
    fi
    wait "$job"
    GOT=$(<"$SB_DIR/tmp/out")
    [[ $GOT ]] || GOT="nothing: $(<"$SB_DIR/tmp/err")"
}

believes() {
    jq -r --arg by "$1" 'if .believes[$by] then "takes it for the executable"
        else tostring end' <<<"$WHO"
}

asked() {
    journal_count ".client_id == \"$1\" and .status == 200"
}

# attack FOOLS NAME CLAIM COMMAND...: FOOLS is what of /proc the reader looks
# at; NAME is "other" if the file's base name is another too, so that a policy
# by base name must not be fooled either, else "same".
attack() {
    local fools=$1 name=$2 claim=$3
    shift 3
    [[ $PASS != name || $name == other ]] || return 0
    SB_ROW=$((${SB_ROW:-0} + 1))
    journal_mark
    start "row-$SB_ROW" "$@"
    if [[ $PASS == off ]]; then
        check_eq "off: $claim: is served" "$GOT" 200
        check_eq "off: $claim: fools a reader of $fools" "$(believes "$fools")" \
            "takes it for the executable"
        check_eq "off: $claim: reached the host" "$(asked "row-$SB_ROW")" 1
    else
        check_eq "$PASS: $claim: is denied" "$GOT" EPERM
        check_eq "$PASS: $claim: nothing reached the host" "$(journal_count)" 0
    fi
}

# Threads of the attacker ask while one becomes the executable: that one's
# request may be served, theirs may not.
race() {
    local claim="threads connect while one becomes the executable" n
    [[ $PASS != name ]] || return 0
    for n in 1 5 20 50; do
        journal_mark
        start "race-$n-app" "$EVIL" race "$n" "race-$n" "$APP" "$APP" ask
        check_eq "$PASS: $claim: the executable's own request" "$GOT" 200
        if [[ $PASS == off ]]; then
            check_eq "off: $claim: fools a reader of exe" \
                "$(believes exe)" "takes it for the executable"
        else
            check_eq "$PASS: $claim: theirs reach nobody" \
                "$(asked "race-$n")" 0
        fi
    done
    [[ $PASS != off ]] ||
        check "off: $claim: theirs were served" test "$(asked race-50)" -gt 0
}

fresh() {
    install -m 0755 -o 1000 -g 1000 "$EVIL" "$MINE/$1"
}

namespaces() {
    attack exe same "a tmpfs over its directory" \
        "$EVIL" mount tmpfs "$EVIL" "$APP" ask
    attack exe same "a bind mount over it" \
        "$EVIL" mount bind "$EVIL" "$APP" ask
    rm -rf "$EVIL.up" "$EVIL.work"
    attack exe same "an overlay over its directory" \
        "$EVIL" mount overlay "$EVIL" "$APP" ask
    attack exe same "a root of its own, detached" \
        "$EVIL" chroot "$MINE/root" "$EVIL" "$APP" ask
    attack exe same "a file system mounted nowhere" \
        "$EVIL" detached fsmount - "$EVIL" "$APP" ask
    rm -rf "$MINE/tree"
    install -d -o 1000 -g 1000 "$MINE/tree"
    attack exe same "a detached copy of a tree" \
        "$EVIL" detached open_tree "$MINE/tree" "$EVIL" "$APP" ask
    attack exe other "PR_SET_MM_MAP with its descriptor" \
        "$EVIL" mm-map "$APP" ask
}

names() {
    attack comm other "prctl(PR_SET_NAME)" \
        "$EVIL" name backup-agent ask
    attack argv0 other "argv[0]" "$EVIL" exec "$EVIL" "$APP" ask
    attack argv0 other "argv[0], exec by a thread that is not the leader" \
        "$EVIL" thread "$EVIL" "$APP" ask
    rm -f "$MINE/links/backup-agent"
    ln "$EVIL" "$MINE/links/backup-agent"
    attack name same "a hard link of that name" \
        "$MINE/links/backup-agent" ask
    fresh backup-agent
    attack name same "a copy of that name" "$MINE/backup-agent" ask
    ln -sf "$EVIL" "$MINE/links/backup-agent"
    attack argv0 other "a symbolic link of that name" \
        "$EVIL" exec "$MINE/links/backup-agent" "$APP" ask
}

files() {
    attack argv0 other "fexecve" "$EVIL" fexec "$EVIL" "$APP" ask
    fresh gone
    attack argv0 other "fexecve of a file that is gone" \
        "$EVIL" fexec --unlink "$MINE/gone" "$APP" ask
    attack argv0 same "memfd" \
        "$EVIL" memfd "$EVIL" backup-agent "$APP" ask
    attack comm other "memfd of another name" \
        "$EVIL" memfd "$EVIL" x evil name backup-agent ask
}

processes() {
    attack comm other "a fork without exec" \
        "$EVIL" fork name backup-agent ask
    attack comm other "a vfork's child" \
        "$EVIL" vfork name backup-agent ask
    attack exe other "connects first, then becomes it" \
        "$EVIL" connected "$APP" "$APP" resume
    attack exe other "traced since before its exec" \
        "$EVIL" trace birth "$APP" "$APP" ask
    attack exe other "traced at its exec, let go before it asks" \
        "$EVIL" trace detach "$APP" "$APP" ask
    attack exe other "traced when it asks" \
        "$EVIL" trace later "$APP" "$APP" ask
    attack comm other "io_uring" "$EVIL" name backup-agent uring inline
    attack comm other "io_uring, its worker thread" \
        "$EVIL" name backup-agent uring async
    attack comm other "io_uring, its poll thread" \
        "$EVIL" name backup-agent uring poll
    attack comm other "io_uring, the poll thread of a fork's" \
        "$EVIL" fork name backup-agent uring poll
}

all_attacks() {
    namespaces
    names
    files
    processes
    race
}

# The same policy serves the one it is for: without this a denial says nothing.
the_true_one() {
    journal_mark
    start "true-$1" "$APP" ask
    check_eq "$1: the executable itself is served" "$GOT" 200
    check_eq "$1: its request reached the host signed" "$(journal_count \
        ".client_id == \"true-$1\" and .signed == \"valid\"")" 1
    start "ordinary-$1" "$EVIL" ask
    check_eq "$1: who does not pretend is denied" "$GOT" EPERM
}

sandbox_up
setup_files
sandbox_start_sim
sandbox_start_mspd
holds

PASS=off
sim_mode imds=off
push_policy "$(policy "$(item disabled deny)")"
all_attacks

PASS=exe
sim_mode imds=enforce
push_policy "$(policy "$(item enforce deny \
    "$(rules /metadata/versions "\"exePath\":\"$APP\"")")")"
the_true_one exe
all_attacks

PASS=name
push_policy "$(policy "$(item enforce deny \
    "$(rules /metadata/versions '"processName":"backup-agent"')")")"
the_true_one name
all_attacks
sandbox_done
