#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# A path comes to name another file by what happens further up: a directory
# link is swapped, an ancestor renamed, something mounted over one. Who runs the
# old file keeps its right, the new file has it within a second, the wrong one
# never. A busy ancestor costs next to nothing.
. "$(dirname "$0")/../../harness/sandbox.sh"
. "$(dirname "$0")/keep.sh"

USER=1000:1000

enforce() {
    push_policy "$(policy "$(item enforce deny \
        "$(rules /metadata/versions "\"exePath\":\"$1\"")")")"
}

# A version of its own in each of these directories.
N=0
install_in() {
    local dir
    for dir in "$@"; do
        mkdir -p "$dir"
        cp "$SB_DIR/bin/mspspoof" "$dir/app"
        printf 'version %d' $((++N)) >>"$dir/app"
        chmod 0755 "$dir/app"
    done
}

# link TARGET NAME: swapped in one step
link() {
    ln -s "$1" "$2.next"
    mv -T "$2.next" "$2"
}

# The path names OLD; after the command it names NEW.
# changes NAME PATH OLD NEW COMMAND...
changes() {
    local name=$1 old=$3 new=$4
    APP=$2
    shift 4
    enforce "$APP"
    new "$name: the file" 200 "$APP" ask
    new "$name: the other file has none" EPERM "$new" ask
    keep "$name" "$APP" ask
    "$@"
    noticed "$name: the new file has its right"
    new "$name: what the path named has none" EPERM "$old" ask
    allowed "$name: who runs it keeps its right" "$name"
    check_eq "$name: status is ok with it" "$(ctl --json status |
        jq -c '[.files.unwatched, .files.blind]')" '[0,""]'
}

links() {
    install_in "$DIR/x/v1/bin" "$DIR/x/v2/bin" "$DIR/y/v3/bin"
    link v1 "$DIR/x/current"
    changes swapped "$DIR/x/current/bin/app" "$DIR/x/v1/bin/app" \
        "$DIR/x/v2/bin/app" link v2 "$DIR/x/current"
    # a link to a link, by .. and by an absolute path; the second one is swapped
    link ../y/hop "$DIR/x/far"
    link "$DIR/x/v1" "$DIR/y/hop"
    changes behind "$DIR/x/far/bin/app" "$DIR/x/v1/bin/app" \
        "$DIR/y/v3/bin/app" link v3 "$DIR/y/hop"
    # and its target's own directory is renamed
    install_in "$DIR/y/v4/bin"
    changes target "$DIR/x/far/bin/app" "$DIR/y/was/bin/app" \
        "$DIR/y/v4/bin/app" exchange "$DIR/y/v3" "$DIR/y/was" "$DIR/y/v4"
}

# exchange PLACE AWAY NEXT: and NEXT is a link to what it became
exchange() {
    mv -T "$1" "$2"
    mv -T "$3" "$1"
    ln -s "$1" "$3"
}

ancestors() {
    install_in "$DIR/r/a/b/c" "$DIR/r/next/b/c"
    changes renamed "$DIR/r/a/b/c/app" "$DIR/r/old/b/c/app" \
        "$DIR/r/next/b/c/app" exchange "$DIR/r/a" "$DIR/r/old" "$DIR/r/next"
    APP=$DIR/later/on/there/app
    enforce "$APP"
    check_eq "what is not there is watched for" "$(ctl --json status |
        jq -c '[.unresolved[0].why, .files.unwatched]')" '["missing",0]'
    install_in "$DIR/new/on/there"
    mv "$DIR/new" "$DIR/later"
    noticed "once it is there it has its right"
    rm -r "$DIR/later"
    check "gone again: status says so" until_true 1 is_missing
}

is_missing() {
    [[ $(ctl --json status | jq -r '.unresolved[0].why') == missing ]]
}

mounts() {
    install_in "$DIR/m/a/b" "$DIR/m2/b" "$DIR/other"
    changes bound "$DIR/m/a/b/app" "$DIR/m/same/b/app" "$DIR/m2/b/app" \
        bind_over "$DIR/m2" "$DIR/m/a" "$DIR/m/same"
    changes unbound "$DIR/m/a/b/app" "$DIR/m2/b/app" "$DIR/m/same/b/app" \
        umount -l "$DIR/m/a"
    changes file "$DIR/m/a/b/app" "$DIR/m/same/b/app" "$DIR/other/app" \
        mount --bind "$DIR/other/app" "$DIR/m/a/b/app"
    umount -l "$DIR/m/a/b/app"
    umount -l "$DIR/m/same"
    # unmounted and mounted at once: its line in the table is the same again
    install_in "$DIR/again" "$DIR/then"
    APP=$DIR/m/a/b/app
    mount --bind "$DIR/again/app" "$APP"
    noticed "again: what was mounted has its right"
    sleep 1 # the table was read
    umount "$APP" && mv "$DIR/again/app" "$DIR/again/old" &&
        mv "$DIR/then/app" "$DIR/again/app" &&
        mount --bind "$DIR/again/app" "$APP" || die "cannot mount again"
    noticed "again: what is mounted now has its right"
    new "again: what was mounted has none" EPERM "$DIR/again/old" ask
    umount -l "$APP"
}

# bind_over WHAT PLACE SAME: SAME goes on showing what PLACE is below it
bind_over() {
    mkdir -p "$3"
    mount --bind "$2" "$3"
    mount --bind "$1" "$2"
}

# CPU time of all of mspd's processes so far, us, ended ones too.
cpu_us() {
    sed -n 's/^usage_usec //p' "$SB_CG/agent/cpu.stat"
}

# renames NAME NAME: 10,000 of them to and fro
renames() {
    python3 - "$1" "$2" <<'EOF'
import os, sys
a, b = sys.argv[1:]
for i in range(5000):
    os.rename(a, b)
    os.rename(b, a)
EOF
}

costs() {
    local before
    before=$(cpu_us)
    "$@"
    sleep 0.5
    CPU=$((($(cpu_us) - before) / 1000))
}

# cheap MS: what was measured last
cheap() {
    ((CPU <= $1 * ${MSP_SLOW:-1}))
}

# 100 mounts to and fro, none of them on a path
mounts_beside() {
    local i
    mkdir -p "$DIR/busy/mnt"
    for ((i = 0; i < 100; i++)); do
        mount --bind "$DIR/busy/v2" "$DIR/busy/mnt"
        umount "$DIR/busy/mnt"
    done
}

busy() {
    install_in "$DIR/busy/v1" "$DIR/busy/v2"
    link v1 "$DIR/busy/current"
    touch "$DIR/busy/other"
    APP=$DIR/busy/current/app
    enforce "$APP"
    new "busy: the file" 200 "$APP" ask
    costs sleep 1
    note "CPU of a quiet second: $CPU ms"
    costs renames "$DIR/busy/other" "$DIR/busy/else"
    note "CPU of 10,000 renames in a watched directory: $CPU ms"
    check "busy: 10,000 renames beside the path cost little" cheap 200
    touch "$DIR/busy/v1/other"
    costs renames "$DIR/busy/v1/other" "$DIR/busy/v1/else"
    note "CPU of 10,000 renames beside the file: $CPU ms"
    check "busy: and beside the file" cheap 200
    costs renames "$DIR/busy/current" "$DIR/busy/away"
    note "CPU of 10,000 renames of a link on the path: $CPU ms"
    check "busy: and of the path itself" cheap 500
    costs mounts_beside
    note "CPU of 200 changes of mounts beside the path: $CPU ms"
    check "busy: mounts beside the path cost little, too" cheap 200
    link v2 "$DIR/busy/current"
    noticed "busy: the new file has its right all the same"
    new "busy: the other one has none" EPERM "$DIR/busy/v1/app" ask
}

sandbox_up
DIR=$SB_DIR/apps
mkdir "$DIR"
install_in "$DIR"
sandbox_start_sim
sandbox_start_mspd

sim_mode imds=off
push_policy "$(policy "$(item disabled deny)")"
new "off: anything is served" 200 "$DIR/app" ask
sim_mode imds=enforce

links
ancestors
mounts
busy
sandbox_done
