#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# onDeny: EPERM by default, ECONNREFUSED with "refuse", a 403 from the proxy
# with "http"; in each case nothing reaches the host. Addresses and ports beside
# the endpoints are nobody's business.
. "$(dirname "$0")/../../harness/sandbox.sh"

USER=2001:3001

denied_as() {
    printf '{"mode":"%s","defaultAccess":"deny","id":"t"%s}' "$1" \
        "${2:+,\"onDeny\":\"$2\"}"
}

sandbox_up
sandbox_start_sim
sandbox_start_mspd
sim_mode imds=off
push_policy "$(policy "$(denied_as disabled)")"
check_eq "with enforcement off the user is served" \
    "$(ask curl $USER vm $IMDS:80 /metadata/versions x)" 200
journal_mark
while read -r how wanted; do
    push_policy "$(policy "$(denied_as enforce "${how#-}")")"
    for tool in curl python mspclient; do
        check_eq "onDeny ${how#-}: $tool" \
            "$(ask $tool $USER vm $IMDS:80 /metadata/versions x)" "$wanted"
    done
done <<<'- EPERM
eperm EPERM
refuse ECONNREFUSED
http 403'
check_eq "nothing reached the host" "$(journal_count)" 0
check_eq "another port of the address is not touched" \
    "$(ask curl $USER vm $IMDS:81 / x)" ECONNREFUSED
check_eq "the port of another address is not touched" \
    "$(ask curl $USER vm 127.0.0.1:80 / x)" ECONNREFUSED
sandbox_done
