#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# What an operator gets wrong is named, with what was found; and every program
# knows --help and --version, also those that mspd starts by itself.
. "$(dirname "$0")/../../harness/sandbox.sh"

# mspd with the directories of this test, and what is wrong
start() {
    (exec_in "$SB_CG/agent" timeout 20 nsenter --net="$SB_DIR/ns/vm" -- \
        "$SB_DIR/bin/mspd" --cgroup "$SB_CG" --pin-dir "$SB_DIR/bpf/mspd" \
        --run-dir "$SB_DIR/run" --state-dir "$SB_DIR/state" \
        --log-dir "$SB_DIR/log" --libexec-dir "$SB_DIR/bin" "$@" \
        2>"$SB_DIR/said.log")
}

# fails CODE PATTERN OPTION...
fails() {
    local code=$1 pattern=$2
    shift 2
    start "$@"
    check_eq "mspd $*: exit code" "$?" "$code"
    check "mspd $*: says why" grep -q -- "$pattern" "$SB_DIR/said.log"
    check_eq "mspd $*: nothing is attached" \
        "$(bpftool -j cgroup show "$SB_CG" | jq -s 'flatten | length')" 0
}

sandbox_up
fails 2 '"--frob": no such option' --frob
fails 2 '"--cgroup": needs a value' --cgroup
fails 2 '"loud": bad value of --log-level' --log-level loud
fails 2 '"pins": --pin-dir is an absolute path' --pin-dir pins
fails 5 "$SB_DIR/none/mspd-netns.*No such file" --libexec-dir "$SB_DIR/none"
fails 5 'on a bpf file system' --pin-dir "$SB_DIR/tmp/pins"
fails 5 'on a bpf file system' --pin-dir /proc/mspd
fails 5 'nobody-of-this-name' --proxy-user nobody-of-this-name
openssl genpkey -algorithm ed25519 -out "$SB_DIR/tmp/unlock.key"
openssl pkey -in "$SB_DIR/tmp/unlock.key" -pubout -out "$SB_DIR/tmp/unlock.pub"
fails 5 "start.guard.*$SB_DIR/tmp/none.*No such file" --guard \
    --guard-key "$SB_DIR/tmp/none"
fails 5 "start.guard.*$SB_DIR/tmp/unlock.key.*why" --guard \
    --guard-key "$SB_DIR/tmp/unlock.key"
fails 5 "start.guard.*$SB_DIR/none.*No such file" --guard \
    --guard-key "$SB_DIR/tmp/unlock.pub" --guard-protect "$SB_DIR/none"

for program in mspd mspd-netns mspd-keeper mspd-proxy mspctl mspc; do
    for option in --help --version; do
        "$SB_DIR/bin/$program" "$option" >"$SB_DIR/said.out" 2>"$SB_DIR/said.log"
        check_eq "$program $option: exit code" "$?" 0
        check "$program $option: names itself" grep -q "$program" \
            "$SB_DIR/said.out"
    done
    "$SB_DIR/bin/$program" --frob >/dev/null 2>"$SB_DIR/said.log"
    check_eq "$program --frob: exit code" "$?" 2
done

# A tree without the program that denies is not in force: it is made anew, and
# that is said.
sandbox_start_sim
sandbox_start_mspd
push_policy "$(policy "$(item enforce deny)")"
digest=$(ctl --json status | jq -r .policy.digest)
check "a first start finds nothing left over" \
    test "$(grep -c start.leftover "$SB_DIR/mspd.log")" = 0
sandbox_stop_mspd
rm "$SB_DIR/bpf/mspd/layout-"*/links/msp_connect4
sandbox_start_mspd
check "a tree left over is named" \
    grep -q "<4>start.leftover.*$SB_DIR/bpf/mspd/layout-" "$SB_DIR/mspd.log"
check_eq "the stored policy is in force" \
    "$(ctl --json status | jq -r .policy.digest)" "$digest"
sandbox_done
