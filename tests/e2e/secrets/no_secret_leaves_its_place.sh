#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# The key and the signatures are in the key file, in memory of the processes
# that need them and on the wire to the host; nowhere else: not in a log, an
# answer of mspctl, a map, a file, a core, or what /proc shows to others. Every
# kind of search first finds what was planted for it.
. "$(dirname "$0")/../../harness/sandbox.sh"

HERE=$(cd "$(dirname "$0")" && pwd)
USER=2001:3001
OTHER=2002:3002
KINDS=6 # forms of one secret

search() {
    secrets.py "$@" <"$SB_DIR/secret/all"
}

hits() {
    grep -c '^HIT' "$1"
}

# nothing WHAT FILE [LEAST]: a report without hits that did search something
nothing() {
    check_eq "$1: $(tail -n 1 "$2"), no secret" "$(hits "$2")$(
        grep '^HIT' "$2" | head -n 3)" 0
    check "$1: something was searched" \
        test "$(awk 'END { print $2 }' "$2")" -ge "${3:-1}"
}

# Every form has a file of its own; two of them may be the same text.
planted() {
    check_eq "$1: each planted form is found" \
        "$(awk '/^HIT/ { print $3 }' "$2" | sort -u | wc -l)" \
        $KINDS
}

get() {
    ask mspclient "$1" vm "$2" "$3" secret
}

# Into DIR what mspctl says, as text and as JSON.
collect_ctl() {
    local words
    for words in status audit 'policy show' 'netns list'; do
        # shellcheck disable=SC2086
        ctl $words >"$1/${words// /-}.txt" 2>&1
        # shellcheck disable=SC2086
        ctl --json $words >"$1/${words// /-}.json" 2>&1
    done
}

# Into DIR the dump of every pinned map; prints those that cannot be dumped.
collect_maps() {
    local map out
    while read -r map; do
        out=$1/$(basename "$(dirname "$map")")-$(basename "$map")
        bpftool -j map dump pinned "$map" >"$out" 2>/dev/null &&
            jq -e 'type == "array"' "$out" >/dev/null && continue
        rm -f "$out"
        basename "$map"
    done < <(find "$SB_DIR"/bpf/mspd/layout-*/{maps,gen} -type f)
}

cores() {
    find "$SB_DIR/tmp/core" -type f -name 'core*' | wc -l
}

opens() {
    run_as "$1" vm dd if="$2" of=/dev/null count=0 status=none
}

fails() {
    ! "$@"
}

new_child() {
    local pid
    pid=$(child_pid "$1" | head -n 1)
    [[ -n $pid && $pid != "$2" ]]
}

sandbox_up
mkdir -m 0700 "$SB_DIR/secret" "$SB_DIR/planted" "$SB_DIR/got"
mkdir -m 0777 "$SB_DIR/tmp/core"
install -m 0755 "$HERE/secrets.py" "$SB_DIR/bin/"
cd "$SB_DIR/tmp/core" || exit 1 # the children's working directory: cores go here
ulimit -c unlimited
sandbox_start_sim
(exec_in "$SB_HOST_CG" nsenter --net="$SB_DIR/ns/sim" -- secrets.py sniff \
    veth-sim >"$SB_DIR/secret/seen") &
SB_PIDS+=("$!")
check "the wire is watched" until_true 5 grep -q watching "$SB_DIR/secret/seen"
sandbox_start_mspd --log-level debug
push_policy "$(policy "$(item enforce deny \
    "$(rules /metadata/versions '"uid":2001')")" \
    "$(item enforce allow)" "$(item enforce allow)")"

# --- signatures, of every kind of answer -------------------------------------
for _ in 1 2 3 4 5; do
    get $USER "$IMDS:80" /metadata/versions >/dev/null
done
check_eq "allowed" "$(get $USER "$IMDS:80" /metadata/versions)" 200
check_eq "another path" "$(get $USER "$IMDS:80" /metadata/instance)" 403
check_eq "misspelt" "$(get $USER "$IMDS:80" '/metadata//versions')" 400
check_eq "denied" "$(get $OTHER "$IMDS:80" /metadata/versions)" EPERM
check_eq "WireServer" "$(get 0:0 "$WIRE:80" '/machine/?comp=goalstate')" 200
check_eq "HostGA" "$(get 0:0 "$WIRE:32526" /versions)" 200
run_as $USER vm mspclient load --id many --to "$IMDS:80" --count 120 \
    --parallel 16 --target '/metadata/versions?x=1' >"$SB_DIR/got/load"
# a signature that the host refuses is one as well
sim_mode imds=off
get $USER "$IMDS:80" '/metadata/versions?refused=1' >/dev/null
signed=$(journal_count '.signed != "none"')
has_all() {
    (($(grep -c '^[0-9a-f]' "$SB_DIR/secret/seen") == signed))
}
check "every signature in the journal was seen on the wire ($signed)" \
    until_true 5 has_all
check "there are many" test "$signed" -gt 120
{
    jq -r .key "$SB_DIR/vm.key"
    grep '^[0-9a-f]' "$SB_DIR/secret/seen" | sort -u
} >"$SB_DIR/secret/all"
until_true 5 log_has 120 '.signed' # the records of them are written

# --- the search finds what is there --------------------------------------------
while read -r name hex; do
    python3 -c 'import sys
sys.stdout.buffer.write(b"before" + bytes.fromhex(sys.argv[1]) + b"after")' \
        "$hex" >"$SB_DIR/planted/$name"
done < <(secrets.py forms <"$SB_DIR/secret/all")
search files "$SB_DIR/planted" >"$SB_DIR/got/r"
planted "files" "$SB_DIR/got/r"
tail -n 1 "$SB_DIR/secret/all" >"$SB_DIR/planted/last-signature"
search files "$SB_DIR/planted/last-signature" >"$SB_DIR/got/r"
check_eq "files: a signature is found, both halves" "$(hits "$SB_DIR/got/r")" 2
head -c 40 "$SB_DIR/secret/all" >"$SB_DIR/planted/cut"
search files "$SB_DIR/planted/cut" >"$SB_DIR/got/r"
check_eq "files: half a key is found" "$(hits "$SB_DIR/got/r")" 1
rm -r "$SB_DIR/planted"

# --- files: all that the test and the daemon made ------------------------------
mkdir "$SB_DIR/got/ctl" "$SB_DIR/got/maps"
collect_ctl "$SB_DIR/got/ctl"
check_eq "mspctl answered everything" \
    "$(find "$SB_DIR/got/ctl" -type f -size +0 | wc -l)" 8
nothing_in() {
    search files "${@:2}" >"$SB_DIR/got/r"
    nothing "$1" "$SB_DIR/got/r"
}
nothing_in "mspctl" "$SB_DIR/got/ctl"
nothing_in "mspd's log at level debug" "$SB_DIR/mspd.log"
nothing_in "the connection log" "$SB_DIR/log"
nothing_in "the state directory" "$SB_DIR/state"
find "$SB_DIR" -xdev -type f ! -path "$SB_DIR/secret/*" \
    ! -path "$SB_DIR/vm.key" ! -path "$SB_DIR/bin/*" -print0 >"$SB_DIR/secret/list"
# shellcheck disable=SC2016
xargs -0 -a "$SB_DIR/secret/list" sh -c 'exec secrets.py files "$@" <"$0"' \
    "$SB_DIR/secret/all" >"$SB_DIR/got/r"
nothing "every other file of this test" "$SB_DIR/got/r" 20

# --- maps -------------------------------------------------------------------------
aud=$(echo "$SB_DIR"/bpf/mspd/layout-*/maps/msp_aud_uids)
key=(01 00 00 00 00 00 00 70)
mapfile -t value < <(head -n 1 "$SB_DIR/secret/all" | fold -w 2)
for _ in {33..68}; do
    value+=(00)
done
bpftool map update pinned "$aud" key hex "${key[@]}" value hex "${value[@]}" ||
    die "cannot plant"
collect_maps "$SB_DIR/got/maps" >/dev/null
search maps "$SB_DIR"/got/maps/* >"$SB_DIR/got/r"
check_eq "maps: a key in one of their values is found" \
    "$(grep -c '^HIT 0:raw' "$SB_DIR/got/r")" 2
bpftool map delete pinned "$aud" key hex "${key[@]}"
rm "$SB_DIR"/got/maps/*
check_eq "maps: all but rings and storage can be dumped" \
    "$(collect_maps "$SB_DIR/got/maps" | sort -u | paste -sd,)" \
    "msp_own_sk,msp_park_ring,msp_ring,msp_sk_owner,msp_sk_verdict"
search maps "$SB_DIR"/got/maps/* >"$SB_DIR/got/r"
nothing "maps" "$SB_DIR/got/r" 100

# --- /proc, as others may see it ----------------------------------------------------
spawn_as 2003:3003 vm sh -c "PLANTED=$(head -n 1 "$SB_DIR/secret/all") \
    exec sleep 60"
decoy() {
    DECOY=$(grep -lz "^PLANTED=" /proc/[0-9]*/environ 2>/dev/null |
        cut -d/ -f3 | head -n 1)
    [[ $DECOY && $(<"/proc/$DECOY/comm") == sleep ]]
}
check "a process with the key in its environment" until_true 5 decoy
run_as 2003:3003 vm secrets.py proc "$DECOY" <"$SB_DIR/secret/all" \
    >"$SB_DIR/tmp/r"
check "/proc: a planted key is found" grep -q '^HIT 0:hex.*environ' \
    "$SB_DIR/tmp/r"
check "/proc: mem of a process of one's own can be opened" \
    opens 2003:3003 "/proc/$DECOY/mem"
mapfile -t pids < <(printf '%s\n' "$SB_MSPD"
    child_pid mspd-netns
    child_pid mspd-keeper
    child_pid mspd-proxy)
check_eq "four processes" "${#pids[@]}" 4
for who in 2003:3003 \
    "$(id -u mspd-proxy):$(id -g mspd-proxy)" \
    "$(id -u mspd-keeper):$(id -g mspd-keeper)"; do
    run_as "$who" vm secrets.py proc "${pids[@]}" <"$SB_DIR/secret/all" \
        >"$SB_DIR/tmp/r"
    nothing "/proc as $who" "$SB_DIR/tmp/r" 40
    for pid in "${pids[@]}"; do
        for name in mem environ maps; do
            check "/proc/$(<"/proc/$pid/comm")/$name is shut to $who" \
                fails opens "$who" "/proc/$pid/$name"
        done
    done
done

# --- cores ---------------------------------------------------------------------------
sleep 60 &
victim=$!
# not before it is one: a shell would run our trap
until_true 5 grep -q sleep "/proc/$victim/comm" || die "no victim"
kill -ABRT $victim
wait $victim 2>/dev/null
pattern=$(</proc/sys/kernel/core_pattern)
if [[ $pattern != '|'* && $pattern != /* ]]; then
    check_eq "an ordinary process leaves a core here" "$(cores)" 1
    rm -f "$SB_DIR"/tmp/core/core*
fi
for name in mspd-proxy mspd-keeper; do
    pid=$(child_pid $name)
    check_eq "$name is not dumpable: /proc is root's" \
        "$(stat -c %u "/proc/$pid/environ")" 0
    kill -ABRT "$pid"
    check "$name: aborted and started again" until_true 10 new_child $name "$pid"
done
check_eq "neither left a core" "$(cores)" 0
pid=$(child_pid mspd-netns)
kill -ABRT "$SB_MSPD"
wait "$SB_MSPD" 2>/dev/null
check_eq "nor did mspd" "$(cores)" 0
kill -ABRT "$pid" 2>/dev/null
until_true 5 is_gone "$pid"
check_eq "nor mspd-netns" "$(cores)" 0
sandbox_done
