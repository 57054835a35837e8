#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# A request the policy forbids is a 403 in JSON, a target two servers could
# read differently is a 400, and neither reaches the host. Each is first sent
# with enforcement off, where it does.
. "$(dirname "$0")/../../harness/sandbox.sh"

USER=2001:3001
tricks=(
    '/metadata/./versions'
    '/metadata/instance/../versions'
    '/metadata/%2e/versions'
    '/metadata/instance/%2e%2e/versions'
    '//metadata/versions'
    '/metadata//versions'
    '/metadata/versions//'
    '/metadata%2Fversions'
    '/metadata%5cversions'
    '/metadata\versions'
    '/metadata/versions;x=1'
    '/metadata;x=1/versions'
    '/metadata/versions%3Fa=b'
    '/metadata/versions%23'
    '/metadata/%2576ersions'
    '/metadata/versions%00'
    '/metadata/versions%0a'
    '/metadata/vers%zzions'
    '/metadata/versions%2'
    '/metadata/versions.'
    '/metadata./versions'
    '/metadata/versions%20'
    $'/metadata/versi\xc3\xb3ns'
    '/metadata/vers%c3%b3ns'
    '/metadata/versions?a=1&a=2'
    '/metadata/versions?a=1&A=2'
    '/metadata/versions?a=bc&ab=c'
    '/metadata/versions?a%26b=1'
    '/metadata/versions?a%3Db=1'
    '/metadata/versions?a=%zz'
)

send() {
    run_as "$USER" vm mspclient steps "header=x-client-id: $2" \
        "connect=$IMDS:80" "request=$1" close | steps_result
}

sandbox_up
sandbox_start_sim
sandbox_start_mspd

sim_mode imds=off
push_policy "$(policy "$(item disabled allow)")"
i=0
unseen=
for target in "${tricks[@]}"; do
    send "$target" "off-$i" >/dev/null
    [[ $(journal_count ".client_id == \"off-$i\"") == 1 ]] || unseen+=" $target"
    i=$((i + 1))
done
check_eq "with enforcement off each spelling reaches the host" "$unseen" ""

sim_mode imds=enforce
push_policy "$(policy "$(item enforce allow)")"
check_eq "the honest spelling passes" "$(send /metadata/versions ok)" 200
check_eq "one trailing slash passes" "$(send /metadata/versions/ ok)" 200
check_eq "upper case passes" "$(send /Metadata/VERSIONS ok)" 200
check_eq "an escaped letter passes" "$(send /metadata/%76ersions ok)" 200
journal_mark
for target in "${tricks[@]}"; do
    check_eq "400 for $(printf '%q' "$target")" "$(send "$target" on)" 400
done
check_eq "none of them reached the host" "$(journal_count)" 0

# --- forbidden path -------------------------------------------------------------
push_policy "$(policy "$(item disabled deny)")"
sim_mode imds=off
TOKEN='/metadata/identity/oauth2/token?api-version=2021-02-01&resource=x'
check_eq "with enforcement off the token is served" \
    "$(http_code "$USER" vm "http://$IMDS$TOKEN")" 200
sim_mode imds=enforce
push_policy "$(policy "$(item enforce deny \
    "$(rules /metadata/instance '"uid":2001')")")"
check_eq "the allowed path is served" "$(http_code "$USER" vm \
    "http://$IMDS/metadata/instance/compute?api-version=2021-02-01")" 200
journal_mark
check_eq "the forbidden path is a 403" "$(http_code "$USER" vm \
    "http://$IMDS$TOKEN" -D "$SB_DIR/tmp/head")" 403
check "its body is JSON" jq -e .error "$SB_DIR/tmp/body"
check "and says so" grep -qi '^content-type: application/json' \
    "$SB_DIR/tmp/head"
check_eq "a name that only begins like the path is a 403" "$(http_code "$USER" \
    vm "http://$IMDS/metadata/instanceX?api-version=2021-02-01")" 403
check_eq "the agent's own path is a 403" "$(http_code "$USER" vm \
    "http://$IMDS/secure-channel/status")" 403
for method in TRACE CONNECT BREW; do
    check_eq "405 for $method" "$(http_code "$USER" vm \
        "http://$IMDS/metadata/instance" -X $method --request-target \
        /metadata/instance)" 405
done
check_eq "a foreign Host is a 400" "$(http_code "$USER" vm \
    "http://$IMDS/metadata/instance?api-version=2021-02-01" \
    -H 'Host: example.org')" 400
check_eq "none of them reached the host" "$(journal_count)" 0
sandbox_done
