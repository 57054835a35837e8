#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# provisioned.tag and status.tag say what azure-proxy-agent --status says: there
# and empty when it exits 0, there with its lines when it exits 2 (not ready in
# time: 120 s, here 20), not there while it exits 1, nor once mspd was stopped.
# Links are replaced, not followed; where the files cannot be written the state
# is degraded and says why, and callers are served as before.
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"

TAGS=''

# code: what --status exits with; its lines are in $SB_DIR/agent.out
code() {
    "$SB_DIR/bin/azure-proxy-agent" --socket "$SB_DIR/run/control.sock" \
        --status >"$SB_DIR/agent.out" 2>"$SB_DIR/agent.err"
    echo $?
}

is_code() {
    [[ $(code) == "$1" ]]
}

# What the files say, in its codes; "half" is none.
tags() {
    if ! [[ -e $TAGS/status.tag ]]; then
        [[ -e $TAGS/provisioned.tag ]] && echo half || echo 1
    elif ! [[ -f $TAGS/provisioned.tag ]]; then
        echo half
    elif [[ -s $TAGS/status.tag ]]; then
        echo 2
    else
        echo 0
    fi
}

are_tags() {
    [[ $(tags) == "$1" ]]
}

# The files and --status say the same, and it is this.
agree() {
    until_true 10 is_code "$2"
    if until_true 10 are_tags "$2" && is_code "$2"; then
        ok "$1"
    else
        not_ok "$1" "the files: $(tags), --status: $(code), wanted: $2"
    fi
}

# unescaped FILE
unescaped() {
    sed "s/&lt;/</g;s/&gt;/>/g;s/&quot;/\"/g;s/&apos;/'/g;s/&amp;/\&/g" "$1"
}

# The lines are those of --status, of this part alone, and end in CR LF.
says_lines() {
    check_eq "$1: the lines of --status" \
        "$(unescaped "$TAGS/status.tag" | od -c)" "$(od -c "$SB_DIR/agent.out")"
    check "$1: CR LF" grep -Pq "^$2 - .+\r\$" "$TAGS/status.tag"
    check_eq "$1: only that part" "$(wc -l <"$TAGS/status.tag")" 1
}

# start_tagged DIR [mspd options]
start_tagged() {
    TAGS=$1
    start_host --platform-tags "$@" --channel-scale 6
}

# With pins on no BPF file system.
fails_to_start() {
    (exec_in "$SB_CG/agent" timeout 20 nsenter --net="$SB_DIR/ns/vm" -- \
        "$SB_DIR/bin/mspd" --cgroup "$SB_CG" --pin-dir "$SB_DIR/tmp/pins" \
        --run-dir "$SB_DIR/run" --state-dir "$SB_DIR/state" \
        --log-dir "$SB_DIR/log" --libexec-dir "$SB_DIR/bin" \
        --platform-tags "$TAGS" 2>"$SB_DIR/said.log")
    check_eq "it does not start" $? 5
    check "and says why" grep -q 'on a bpf file system' "$SB_DIR/said.log"
}

why() {
    of '.reports[] | select(.file | endswith("/status.tag")) | .why // .state'
}

is_why() {
    [[ $(why) == "$1" ]]
}

# cannot CLAIM ERROR
cannot() {
    check "$1: status has it" until_true 20 is_why "$2"
    check_eq "$1: degraded" "$(ctl status >/dev/null; echo $?)" 4
    check "$1: the user is served" until_true 10 is_served
}

mended() {
    check "$1: written" until_true 20 is_why written
    agree "$1: ready" 0
    check_eq "$1: nothing is amiss" "$(ctl status >/dev/null; echo $?)" 0
}

sandbox_up
ln -s mspctl "$SB_DIR/bin/azure-proxy-agent"
sim_scenario "{\"rules\":$GUARDED}"
mkdir -m 0700 "$SB_DIR/tags"
# what one leaves that was killed
touch "$SB_DIR/tags/status.tag" "$SB_DIR/tags/provisioned.tag"

start_tagged "$SB_DIR/tags"
agree "no host yet: what was there is gone" 1
check_eq "no host yet: status says so" "$(why)" "not yet"
before=$(date -u +%Y-%m-%dT%H:%M:%S)
sandbox_start_sim
agree "latched: ready" 0
check "latched: the user is served" until_true 10 is_served
check_eq "latched: they are root's alone" \
    "$(stat -c '%a %u %F' "$TAGS/status.tag" "$TAGS/provisioned.tag")" \
    "600 0 regular empty file
600 0 regular file"
check_eq "latched: the time, and nothing else" "$(wc -c <"$TAGS/provisioned.tag")" 23
check "latched: the platform's form of it" grep -Eq \
    '^20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{3}$' "$TAGS/provisioned.tag"
check "latched: of now" test "$(<"$TAGS/provisioned.tag")" \> "$before"
check_eq "latched: nothing else is there" "$(find "$TAGS" -type f | wc -l)" 2

echo precious >"$SB_DIR/precious"
for name in status.tag provisioned.tag status.tag.new provisioned.tag.new; do
    ln -sf "$SB_DIR/precious" "$TAGS/$name"
done
sim_scenario '{"enabled":false}'
check "disabled: no key" until_true 10 is_state disabled
kill -STOP "$(child_pid mspd-proxy)"
check "a proxy that is held: time is up" until_true 40 is_code 2
agree "a proxy that is held: not ready" 2
says_lines "a proxy that is held" proxyListenerStatus
check_eq "links are not followed" "$(<"$SB_DIR/precious")" precious
check_eq "but replaced" "$(find "$TAGS" -type l)" ""
kill -CONT "$(child_pid mspd-proxy)"
agree "it goes on, and the host wants no key: ready" 0
sandbox_stop_mspd
agree "stopped: no word" 1

kill -TERM "$SB_SIM"
wait "$SB_SIM"
SB_SIM=''
rm -rf "$SB_DIR/state"
mkdir "$SB_DIR/state"
sim_scenario "{\"rules\":$GUARDED}"
start_tagged "$SB_DIR/tags"
agree "no host at start: not ended" 1
check "no host for long: it failed" until_true 40 is_code 2
agree "no host for long: the files say so" 2
says_lines "no host for long" keyLatchStatus
sandbox_start_sim
agree "the host comes late: ready" 0
sandbox_stop_mspd KILL
check_eq "killed: they are left" "$(tags)" 0
fails_to_start
check_eq "who starts in its place and fails: no word" "$(tags)" 1

start_tagged "$SB_DIR/none/tags"
cannot "no directory above" "No such file or directory"
mkdir "$SB_DIR/none"
mended "it is there"
check_eq "it was made, root's alone" "$(stat -c %a "$TAGS")" 700
sandbox_stop_mspd
chmod 0777 "$TAGS"
start_tagged "$SB_DIR/none/tags"
cannot "others may write there" "Operation not permitted"
chmod 0700 "$TAGS"
mended "root's alone again"
sandbox_stop_mspd
ln -s none "$SB_DIR/link"
start_tagged "$SB_DIR/link"
cannot "a link in the directory's place" "Not a directory"
check_eq "nothing is written behind it" "$(find "$SB_DIR/none" -maxdepth 1 -type f)" ""
sandbox_done
