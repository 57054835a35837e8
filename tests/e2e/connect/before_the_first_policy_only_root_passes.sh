#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# First boot: with no policy ever given, real root is relayed unsigned and all
# others are denied; with --bootstrap deny root is denied too. The host takes
# unsigned requests here, as it does before a key is latched.
. "$(dirname "$0")/../../harness/sandbox.sh"

USER=2001:3001
ROOT=0:0

sandbox_up
sandbox_start_sim
sim_mode imds=off wireserver=off
check_eq "without mspd everybody is served" "$(ask curl $USER vm $IMDS:80 \
    /metadata/versions x) $(ask curl $ROOT vm $WIRE:80 '/?comp=versions' x)" \
    "200 200"
sandbox_start_mspd
check_eq "status says so" "$(ctl --json status | jq .policy.bootstrap)" true
journal_mark
check_eq "root passes to IMDS" \
    "$(ask curl $ROOT vm $IMDS:80 /metadata/versions root)" 200
check_eq "root passes to WireServer" \
    "$(ask python $ROOT vm $WIRE:80 '/?comp=versions' root)" 200
check_eq "a user is denied on IMDS" \
    "$(ask python $USER vm $IMDS:80 /metadata/versions user)" EPERM
check_eq "a user is denied on WireServer" \
    "$(ask mspclient $USER vm $WIRE:80 '/?comp=versions' user)" EPERM
check_eq "uid 0 of a user namespace is denied" "$(run_as $USER vm unshare \
    --user --map-root-user -- mspclient steps "connect=$IMDS:80" \
    request=/metadata/versions | steps_result)" EPERM
check_eq "the host saw root only, unsigned" "$(journal |
    jq -r '.client_id + " " + .signed' | sort | uniq -c | xargs)" \
    "2 root none"
push_policy "$(policy "$(item enforce allow)" "$(item enforce allow)")"
check_eq "after the first policy root is signed for" "$(ask curl $ROOT vm \
    $IMDS:80 /metadata/versions after) $(journal |
        jq -r 'select(.client_id == "after") | .signed')" "200 valid"
check_eq "and the user is served" \
    "$(ask curl $USER vm $IMDS:80 /metadata/versions after)" 200

sandbox_stop_mspd
rm -rf "$SB_DIR"/bpf/mspd/layout-* "$SB_DIR"/state/*
sandbox_start_mspd --bootstrap deny
journal_mark
check_eq "--bootstrap deny: root is denied" \
    "$(ask curl $ROOT vm $IMDS:80 /metadata/versions x)" EPERM
check_eq "--bootstrap deny: a user is denied" \
    "$(ask curl $USER vm $IMDS:80 /metadata/versions x)" EPERM
check_eq "--bootstrap deny: nothing reached the host" "$(journal_count)" 0
sandbox_done
