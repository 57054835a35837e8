# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# shellcheck shell=bash
# What the tests here share; read after sandbox.sh.

USER=2001 # who may connect, unless a test says otherwise

# crowd OPTIONS...: netnses; its results, "N x RESULT,..."; the rest of its
# line is in $SB_DIR/tmp/crowd
crowd() {
    run_as 0:0 vm netnses -u $USER "$@" >"$SB_DIR/tmp/crowd" || return 1
    results_of crowd
}

results_of() {
    jq -r '.results | to_entries[] | "\(.value) x \(.key)"' "$SB_DIR/tmp/$1" |
        sort | paste -sd,
}

# background FILE OPTIONS...: the same; ends by itself, its pid is in SB_LAST
background() {
    local file=$SB_DIR/tmp/$1
    shift
    (exec_as 0:0 vm netnses -u $USER "$@" >"$file" 2>&1) &
    SB_LAST=$!
    SB_PIDS+=("$SB_LAST")
}

# How many mspd has, with that of its own namespace.
listeners() {
    ctl --json netns list | jq .listeners
}

has_listeners() {
    [[ $(listeners) == "$1" ]]
}

# Pin of a map.
map() {
    echo "$SB_DIR"/bpf/mspd/layout-*/maps/"$1"
}

# States of the rows, "Nx STATE,..." without the prefix.
rows() {
    bpftool -j map dump pinned "$(map msp_netns)" |
        jq -r '.[] | (.formatted // .).value.state' |
        sed 's/MSP_NETNS_//' | sort | uniq -c | awk '{ print $1 "x" $2 }' |
        paste -sd,
}

has_rows() {
    [[ $(rows) == "$1" ]]
}

# Tickets that are taken, whatever their time.
tickets() {
    bpftool -j map dump pinned "$(map msp_tickets)" |
        jq '[.[] | (.formatted // .).value.until_ns[] | select(. > 0)] | length'
}

has_tickets() {
    [[ $(tickets) == "$1" ]]
}

# allow_user: IMDS for USER alone
allow_user() {
    push_policy "$(policy "$(item enforce deny \
        "$(rules /metadata/versions "\"uid\":$USER")")")"
}
