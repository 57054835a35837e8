#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# In enforce a request that cannot be signed is a 503 and stays here; in audit
# it is relayed as it is. The host takes unsigned requests, so only mspd can be
# what stops them.
. "$(dirname "$0")/../../harness/sandbox.sh"

USER=2001:3001

sandbox_up
sandbox_start_sim
sim_mode imds=off
SB_KEY='' sandbox_start_mspd
push_policy "$(policy "$(item disabled allow)")"
check_eq "with enforcement off the user is served" \
    "$(ask curl $USER vm $IMDS:80 /metadata/versions x)" 200
push_policy "$(policy "$(item enforce allow)")"
journal_mark
for tool in curl python mspclient; do
    check_eq "enforce without a key: $tool gets a 503" \
        "$(ask $tool $USER vm $IMDS:80 /metadata/versions x)" 503
done
check_eq "nothing reached the host" "$(journal_count)" 0
push_policy "$(policy "$(item audit allow)")"
check_eq "audit without a key: relayed" \
    "$(ask curl $USER vm $IMDS:80 /metadata/versions x)" 200
check_eq "unsigned, as the host sees" "$(journal | jq -r .signed)" none
sandbox_done
