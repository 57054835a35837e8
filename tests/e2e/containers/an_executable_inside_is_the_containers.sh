#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# exePath beside a container is a file of that container's own root: a directory
# of the host's, an overlay, or what its first process has for a root. The file
# of that path elsewhere is another, as is another one there.
. "$(dirname "$0")/../../harness/sandbox.sh"

# A root directory at $1 with /app and /other.
furnish() {
    mkdir -p "$1/usr" "$1/proc"
    for dir in bin sbin lib lib64; do
        ln -s "usr/$dir" "$1/$dir"
    done
    install -m 0755 "$SB_DIR/bin/mspclient" "$1/app"
    install -m 0755 "$SB_DIR/bin/mspclient" "$1/other"
}

# run CGROUP ROOT PROGRAM: a GET by that program in that root
run() {
    (exec_in "$SB_CG/$1" nsenter --net="$SB_DIR/ns/vm" -- mspclient exec \
        --chroot "$2" --ngroups 0,0 --rgid 3001 --egid 3001 --ruid 2001 \
        --euid 2001 --suid 2001 -- "$3" steps "header=x-client-id: $1" \
        "connect=$IMDS:80" request=/metadata/versions close) | steps_result
}

is_run() {
    [[ $(run "$1" "$2" "$3") == "$4" ]]
}

register() {
    ctl container "$1" --cgroup "$BASE/$2" --name "$3" "${@:4}"
}

unresolved() {
    ctl --json status |
        jq -r '.unresolved[]? | "\(.identity) \(.selector) \(.name) \(.why)"'
}

says() {
    [[ $(unresolved) == "$1" ]]
}

# Files that have a row in the policy in force.
rows() {
    local gen
    gen=$(ctl --json status | jq .policy.generation)
    bpftool -j map dump pinned \
        "$SB_DIR/bpf/mspd/layout-8/gen/$gen/msp_exe" | jq length
}

sandbox_up
BASE=/${SB_CG##*/}
mkdir "$SB_CG"/{plain,over,pid,twin}
furnish "$SB_DIR/plain"
mkdir -p "$SB_DIR"/o/{upper,work,merged} "$SB_DIR/lower"
furnish "$SB_DIR/lower"
mount -t overlay overlay -o "lowerdir=$SB_DIR/lower,upperdir=$SB_DIR/o/upper,workdir=$SB_DIR/o/work" \
    "$SB_DIR/o/merged" || die "overlay cannot be mounted"
for root in plain o/merged; do
    mount --rbind -o ro /usr "$SB_DIR/$root/usr"
done
sandbox_start_sim
sim_mode imds=off
sandbox_start_mspd
push_policy "$(policy "$(item disabled allow)")"
for row in plain:plain:app plain:plain:other over:o/merged:app \
    over:o/merged:other twin:plain:app pid:o/merged:app; do
    IFS=: read -r cg root program <<<"$row"
    check_eq "off: $cg, $program" "$(run "$cg" "$SB_DIR/$root" "/$program")" 200
done
sim_mode imds=enforce
push_policy "$(policy "$(item enforce deny "$(rules /metadata/versions \
    '"exePath":"/app","container":{"name":"web"}')")")"
check_eq "none is registered: nothing to say" "$(unresolved)" ""

check "a container whose root was not told" register add plain web
check "is told of" until_true 5 says "i exePath /app in 1 container: its root \
directory was not told: neither root nor pid is registered"
check_eq "and denied" "$(run plain "$SB_DIR/plain" /app)" EPERM
check "told where its root is" register set plain web --root "$SB_DIR/plain"
check "its file is allowed" until_true 10 is_run plain "$SB_DIR/plain" /app 200
check_eq "nothing to say" "$(unresolved)" ""
check_eq "another file there is not" \
    "$(run plain "$SB_DIR/plain" /other)" EPERM
check_eq "nor the same file in a container of another name" \
    "$(run twin "$SB_DIR/plain" /app)" EPERM
check_eq "nor of the host, in the container's cgroup" \
    "$( (exec_in "$SB_CG/plain" nsenter --net="$SB_DIR/ns/vm" -- \
        "$SB_DIR/plain/app" steps "connect=$IMDS:80" \
        request=/metadata/versions close) | steps_result)" EPERM

check "one on overlay" register add over web --root "$SB_DIR/o/merged"
check "its file is allowed" until_true 10 is_run over "$SB_DIR/o/merged" /app 200
check_eq "another file there is not" \
    "$(run over "$SB_DIR/o/merged" /other)" EPERM

# Another file takes the name: looked at again within ten seconds.
install -m 0755 "$SB_DIR/bin/mspclient" "$SB_DIR/o/merged/new"
mv "$SB_DIR/o/merged/new" "$SB_DIR/o/merged/app"
check_eq "replaced: not known yet" "$(run over "$SB_DIR/o/merged" /app)" EPERM
check "and then it is" until_true 20 is_run over "$SB_DIR/o/merged" /app 200

# By its first process.
(exec_in "$SB_CG/pid" mspclient exec --chroot "$SB_DIR/o/merged" -- \
    /usr/bin/sleep 1000) &
first=$!
SB_PIDS+=("$first")
is_rooted() {
    [[ $(readlink "/proc/$first/root") == "$SB_DIR/o/merged" ]]
}
until_true 10 is_rooted || die "the first process did not start"
check "one that is known by its process" register add pid web --pid "$first"
check "its file is allowed" until_true 10 is_run pid "$SB_DIR/o/merged" /app 200

# Over a push of other numbers, a restart, and back.
push_policy "$(policy "$(item enforce deny '{
    "privileges":[{"name":"p","path":"/metadata/versions"}],
    "roles":[{"name":"r","privileges":["p"]}],
    "identities":[{"name":"x","uid":7},{"name":"y","exePath":"/other",
        "container":{"name":"none"}},
        {"name":"i","exePath":"/app","container":{"name":"web"}}],
    "roleAssignments":[{"role":"r","identities":["x","y","i"]}]}')")"
check_eq "another policy: at once" "$(run over "$SB_DIR/o/merged" /app)" 200
check_eq "the other file is not" "$(run over "$SB_DIR/o/merged" /other)" EPERM
touch "$SB_DIR/o/merged/going"
(exec_in "$SB_CG/over" nsenter --net="$SB_DIR/ns/vm" -- mspclient exec \
    --chroot "$SB_DIR/o/merged" -- /bin/sh -c "while [ -e /going ]; do
        /app steps connect=$IMDS:80 close; done" >"$SB_DIR/tmp/connects") &
asker=$!
SB_PIDS+=("$asker")
sandbox_stop_mspd KILL
sandbox_start_mspd
check "restarted: allowed" until_true 15 is_run over "$SB_DIR/o/merged" /app 200
rm "$SB_DIR/o/merged/going"
wait "$asker"
check_eq "and all the time meanwhile" "$(jq -r 'select(.step == "connect") |
    .result' "$SB_DIR/tmp/connects" | sort -u)" ok
check "removed" ctl container remove --cgroup "$BASE/over"
check_eq "denied" "$(run over "$SB_DIR/o/merged" /app)" EPERM
check_eq "with the other one of its root there are two files" "$(rows)" 2
check "removed, the other one" ctl container remove --cgroup "$BASE/pid"
has_one() {
    [[ $(rows) == 1 ]]
}
check "no row is left of them" until_true 5 has_one
kill -KILL "$first"
wait "$first" 2>/dev/null
umount -l "$SB_DIR"/{plain/usr,o/merged/usr,o/merged}
sandbox_done
