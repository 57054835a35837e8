#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# An mspd of another pin layout, newer or older, is put in force beside the one
# it finds and then instead of it. A denied user who knocks all the time never
# slips through, the host takes anything and still sees nothing unsigned, and
# if the new one cannot be brought up the old one stays.
. "$(dirname "$0")/../../harness/sandbox.sh"

USER=2001:3001
OTHER=2002:3002
URL=http://$IMDS/metadata/versions

served() {
    [[ $(SB_MAX_TIME=2 http_code "$USER" vm "$URL") == 200 ]]
}

denied() {
    check_eq "$1: the other user is denied" \
        "$(SB_MAX_TIME=2 http_code "$OTHER" vm "$URL")" EPERM
}

layouts() {
    (cd "$SB_DIR/bpf/mspd" && echo layout-*)
}

attached() {
    bpftool -j cgroup show "$SB_CG" | jq length
}

# use_layout N: which mspd is started from now on
use_layout() {
    local from=mspd-next-layout
    [[ $1 == 99 ]] || from=mspd-this-layout
    cp "$SB_DIR/bin/$from" "$SB_DIR/bin/mspd.new"
    mv "$SB_DIR/bin/mspd.new" "$SB_DIR/bin/mspd"
}

knock_begin() {
    touch "$SB_DIR/tmp/knocking"
    # shellcheck disable=SC2016
    spawn_as "$OTHER" vm bash -c 'while [[ -e $0 ]]; do
            mspclient load --id knock --to "$1" --count 200 --target /x?
            sleep 0.01
        done' "$SB_DIR/tmp/knocking" "$IMDS:80" >"$SB_DIR/tmp/knock"
    knock=$SB_LAST
}

knock_end() {
    rm "$SB_DIR/tmp/knocking"
    wait "$knock"
    check_eq "$1: nobody slipped through" \
        "$(jq -r .result "$SB_DIR/tmp/knock" | sort -u)" EPERM
    note "knocked $(wc -l <"$SB_DIR/tmp/knock") times meanwhile"
}

# switch_to N CLAIM
switch_to() {
    knock_begin
    use_layout "$1"
    sandbox_start_mspd
    check_eq "$2: only the new layout is there" "$(layouts)" "layout-$1"
    check_eq "$2: as many programs as before" "$(attached)" "$programs"
    check "$2: the user is served" until_true 10 served
    denied "$2"
    check_eq "$2: the same policy" "$(ctl --json status |
        jq -r .policy.digest)" "$digest"
    knock_end "$2"
}

sandbox_up
cp "$SB_DIR/bin/mspd" "$SB_DIR/bin/mspd-this-layout"
sandbox_start_sim
sim_mode imds=off
sandbox_start_mspd
push_policy "$(policy "$(item enforce deny \
    "$(rules /metadata/versions '"uid":2001')")")"
journal_mark
programs=$(attached)
digest=$(ctl --json status | jq -r .policy.digest)
check "the user is served" served
denied "first"
check_eq "one layout" "$(layouts)" layout-8

# The old proxy lives on without its mspd, as after a crash.
old_proxy=$(child_pid mspd-proxy)
sandbox_stop_mspd KILL
check "mspd killed: its proxy serves on" served
switch_to 99 "newer layout, mspd killed"
check "the earlier proxy is told to go" until_true 40 is_gone "$old_proxy"
check "the user is served by the new one" served

sandbox_stop_mspd
denied "stopped"
switch_to 8 "older layout, mspd stopped"

# One that cannot be attached: the old one stays in force.
sandbox_stop_mspd KILL
use_layout 99
mv "$SB_DIR/bin/mspd-proxy" "$SB_DIR/bin/kept"
printf '#!/bin/sh\nexit 1\n' >"$SB_DIR/bin/mspd-proxy"
chmod 0755 "$SB_DIR/bin/mspd-proxy"
(exec_in "$SB_CG/agent" nsenter --net="$SB_DIR/ns/vm" -- "$SB_DIR/bin/mspd" \
    --cgroup "$SB_CG" --pin-dir "$SB_DIR/bpf/mspd" --run-dir "$SB_DIR/run" \
    --state-dir "$SB_DIR/state" --log-dir "$SB_DIR/log" \
    --libexec-dir "$SB_DIR/bin" --static-key "$SB_DIR/vm.key" \
    2>"$SB_DIR/beside.log") &
beside=$!
SB_PIDS+=("$beside")
is_beside() {
    [[ $(ctl --json status | jq -c .attached) == false ]]
}
check "the new one cannot serve: it is not attached" until_true 30 is_beside
check_eq "the old one's programs are in force" "$(attached)" "$programs"
check "the old one's proxy serves on" served
denied "beside"
kill -KILL "$beside"
wait "$beside" 2>/dev/null
mv "$SB_DIR/bin/kept" "$SB_DIR/bin/mspd-proxy"
switch_to 99 "tried again"
check_eq "nothing unsigned ever reached the host" \
    "$(journal_count '.signed != "valid"')" 0
check "and N signed did" test "$(journal_count '.signed == "valid"')" -ge 7
sandbox_done
