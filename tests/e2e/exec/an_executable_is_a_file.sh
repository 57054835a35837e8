#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# exePath means the file that the path names when a process is executed: not a
# text, not a name, and not what became of either since.
. "$(dirname "$0")/../../harness/sandbox.sh"
. "$(dirname "$0")/keep.sh"

USER=1000:1000
replace_by() {
    install -m 0755 "$1" "$APP.new"
    mv "$APP.new" "$APP"
}

# Every row but those of time, with enforcement off: all of it runs and is
# served, so what is denied later is denied by the policy.
off_rows() {
    local command
    for command in "$APP" "$DIR/copy" "$DIR/hard" "$DIR/soft" "$DIR/bound" \
        "$DIR/helper"; do
        new "off: ${command##*/} is served" 200 "$command" ask
    done
    new "off: a script is served" 200 "$DIR/script"
    new "off: a fork is served" 200 "$APP" fork ask
    new "off: an exec by a thread is served" 200 "$DIR/copy" thread "$DIR/copy" \
        x ask
}

names_of_a_file() {
    new "the file" 200 "$APP" ask
    new "a copy" EPERM "$DIR/copy" ask
    new "a hard link to it" 200 "$DIR/hard" ask
    new "a symbolic link to it" 200 "$DIR/soft" ask
    new "a bind mount of it elsewhere" 200 "$DIR/bound" ask
    new "it under another argv[0]" 200 "$DIR/copy" exec "$APP" other ask
    new "it by descriptor" 200 "$DIR/copy" fexec "$APP" other ask
    new "its fork" 200 "$APP" fork ask
    new "its vfork" 200 "$APP" vfork ask
    new "it, by a thread that is not the leader" 200 "$DIR/copy" thread "$APP" \
        x ask
    new "what it became by a thread" EPERM "$APP" thread "$DIR/copy" x ask
    new "what it became" EPERM "$APP" exec "$DIR/copy" "$APP" ask
    new "its fork that became another" EPERM "$APP" fork exec "$DIR/copy" x ask
    new "another's fork that became it" 200 "$DIR/copy" fork exec "$APP" x ask
    new "a script it interprets: the interpreter is who runs" 200 "$DIR/script"
}

upgrade() {
    keep before "$APP" ask
    replace_by "$DIR/copy"
    within "a new process of the replaced file has its right" 200 "$APP" ask
    new "a copy of either has none" EPERM "$DIR/copy" ask
    new "nor has a link to the old file, executed since" EPERM "$DIR/hard" ask
    allowed "an older process keeps its right" before
    # A version that is gone before mspd saw it is nobody: it must be seen.
    for i in 1 2 3 4 5; do
        keep "again$i" "$APP" ask
        within "version $i has its right" 200 "$APP" ask
        replace_by "$DIR/copy"
    done
    within "and the last one" 200 "$APP" ask
    for i in 1 2 3 4 5; do
        allowed "a process of version $i keeps its right" "again$i"
    done
}

renamed() {
    keep unnamed "$APP" ask
    mv "$APP" "$APP.old"
    within "a renamed file is no longer it" EPERM "$APP.old" ask
    mv "$DIR/copy" "$APP"
    within "what has its name now is" 200 "$APP" ask
    new "the renamed one is still not" EPERM "$APP.old" ask
    mv "$APP" "$DIR/copy"
    within "until it is moved away" EPERM "$DIR/copy" ask
    mv "$APP.old" "$APP"
    within "the first one back in its place is it again" 200 "$APP" ask
    allowed "who was executed before is who he was" unnamed
}

status_why() {
    ctl --json status | jq -r '.unresolved[].why' | grep -i 'no such file\|missing'
}

deleted() {
    keep orphan "$APP" ask
    ln "$APP" "$DIR/kept"
    rm "$APP"
    within "another link to a deleted file is nobody" EPERM "$DIR/kept" ask
    allowed "who was executed before it was deleted keeps his right" orphan
    check_eq "status says who is nobody now, and why" "$(ctl --json status |
        jq -r '.unresolved[] | "\(.identity) \(.selector) \(.name) \(.why)"')" \
        "i exePath $APP $(status_why)"
    mv "$DIR/kept" "$APP"
    within "it is put back" 200 "$APP" ask
}

directories() {
    keep moved "$APP" ask
    mv "$DIR" "$DIR.away"
    mkdir "$DIR"
    within "its directory moved away" EPERM "$DIR.away/backup-agent" ask
    install -m 0755 "$DIR.away/copy" "$APP"
    within "another directory in its place" 200 "$APP" ask
    rm -r "$DIR"
    mv "$DIR.away" "$DIR"
    within "and the old one back" 200 "$APP" ask
    allowed "who was executed before is who he was" moved
}

credentials() {
    push_policy "$(policy "$(item enforce deny "$(rules /metadata/versions \
        "\"exePath\":\"$DIR/helper\",\"uid\":2001")")")"
    new "a setuid helper is who it is set to" 200 "$DIR/helper" ask
    new "not who is not its executable" EPERM "$APP" ask
    push_policy "$(policy "$(item enforce deny "$(rules /metadata/versions \
        "\"exePath\":\"$DIR/helper\",\"uid\":1000")")")"
    new "and no longer who called it" EPERM "$DIR/helper" ask
    push_policy "$(policy "$(item enforce deny "$(rules /metadata/versions \
        "\"exePath\":\"$APP\",\"uid\":2001")")")"
    WHO=0:0
    new "before it sets its uid" EPERM "$APP" ask
    new "after it" 200 "$APP" ids 2001 4001 4002 ask
    new "after another" EPERM "$APP" ids 2002 4001 4002 ask
    push_policy "$(policy "$(item enforce deny "$(rules /metadata/versions \
        "\"exePath\":\"$APP\",\"gid\":3001")")")"
    new "with a supplementary group added" 200 "$APP" ids 2001 4001 3001 ask
    new "with another added" EPERM "$APP" ids 2001 4001 3002 ask
    WHO=
}

sandbox_up
DIR=$SB_DIR/apps
APP=$DIR/backup-agent
mkdir "$DIR"
install -m 0755 "$SB_DIR/bin/mspspoof" "$APP"
install -m 0755 "$SB_DIR/bin/mspspoof" "$DIR/copy"
install -m 4755 -o 2001 -g 4001 "$SB_DIR/bin/mspspoof" "$DIR/helper"
ln "$APP" "$DIR/hard"
ln -s "$APP" "$DIR/soft"
touch "$DIR/bound"
mount --bind "$APP" "$DIR/bound"
printf '#!%s ask\n' "$APP" >"$DIR/script"
chmod 0755 "$DIR/script"
sandbox_start_sim
sandbox_start_mspd

sim_mode imds=off
push_policy "$(policy "$(item disabled deny)")"
off_rows

sim_mode imds=enforce
push_policy "$(policy "$(item enforce deny \
    "$(rules /metadata/versions "\"exePath\":\"$DIR/soft\"")")")"
new "a policy may name a symbolic link" 200 "$APP" ask
new "and means the file" EPERM "$DIR/copy" ask
push_policy "$(policy "$(item enforce deny \
    "$(rules /metadata/versions "\"exePath\":\"$DIR/script\"")")")"
new "a script is nobody" EPERM "$DIR/script"
push_policy "$(policy "$(item enforce deny \
    "$(rules /metadata/versions "\"exePath\":\"$APP\"")")")"
names_of_a_file
umount "$DIR/bound"
upgrade
renamed
deleted
directories
push_policy "$(policy "$(item enforce deny \
    "$(rules /metadata/versions "\"exePath\":\"$APP\",\"exeSha256\":\"$(
        sha256sum "$APP" | cut -d' ' -f1)\"")")")"
within "contents as demanded" 200 "$APP" ask
keep hashed "$APP" ask
cp "$DIR/copy" "$DIR/changed"
printf x >>"$DIR/changed"
replace_by "$DIR/changed"
within "other contents under the same path" EPERM "$APP" ask
allowed "who ran the right contents keeps his right" hashed
replace_by "$DIR/copy"
within "the same contents again" 200 "$APP" ask
printf x >>"$APP"
within "contents changed in place" EPERM "$APP" ask
credentials
sandbox_done
