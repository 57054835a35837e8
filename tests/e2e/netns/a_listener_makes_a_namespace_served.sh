#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# A container's network namespace has nothing but its own loopback. `mspctl netns
# add` gives it a listener ahead of time; it is served also after the proxy or
# mspd was killed.
. "$(dirname "$0")/../../harness/sandbox.sh"

USER=2001:3001
OTHER=2002:3002

get() {
    ask "$1" "$2" "$3" "$IMDS:80" /metadata/versions "$3"
}

served() {
    [[ $(get curl "$USER" "$1") == 200 ]]
}

sandbox_up
make_netns c1
sandbox_start_sim
sandbox_start_mspd
push_policy "$(policy "$(item disabled allow)")"
check_eq "with enforcement off there is not even a route" \
    "$(get curl $USER c1)" ENETUNREACH
push_policy "$(policy "$(item enforce deny \
    "$(rules /metadata/versions '"uid":2001')")")"
journal_mark
check "netns add" ctl netns add "$SB_DIR/ns/c1"
check_eq "it is the one of that path" "$(ctl --json netns list |
    jq -r '.netns[] | select(.own | not) | "\(.path) \(.on_demand)"')" \
    "$SB_DIR/ns/c1 false"
for tool in curl python mspclient; do
    check_eq "served from the namespace: $tool" "$(get $tool $USER c1)" 200
done
check_eq "another user there is denied" "$(get curl $OTHER c1)" EPERM
check_eq "the host saw it signed" \
    "$(journal | jq -r '.client_id + " " + .signed' | sort -u)" "c1 valid"
port=$(ctl --json netns list | jq -r '.netns[] | select(.own | not) | .port')
check_eq "its listener is not for direct use" "$(run_as $USER c1 mspclient \
    steps "connect=127.0.0.1:$port" request=/metadata/versions |
    jq -r 'select(.step == "connect") | .result')" EPERM

kill -KILL "$(child_pid mspd-proxy)"
check "proxy killed: served again" until_true 15 served c1
sandbox_stop_mspd KILL
check "mspd killed: still served" served c1
sandbox_start_mspd
check "a new mspd: served" until_true 15 served c1
check_eq "a new mspd: the other user is denied" "$(get curl $OTHER c1)" EPERM
check_eq "everything was signed" "$(journal_count '.signed != "valid"')" 0
sandbox_done
