#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# The identity epoch moves when a mark made before would mean something else,
# here: another address behind an endpoint's number. It stays when only modes
# change, also for an mspd that reads what is live from the pinned maps.
. "$(dirname "$0")/../../harness/sandbox.sh"

epoch() {
    ctl --json status | jq -r .policy.identity_epoch
}

# push MODE ADDRESS PORT
push() {
    local x
    x=$(printf '{"addresses":["%s"],"ports":[%s],"sign":false,' "$2" "$3")
    x+='"mode":"enforce","defaultAccess":"deny","id":"x"}'
    push_policy "{\"version\":1,\"endpoints\":{\"imds\":$(item "$1" deny),\"x\":$x}}"
}

restart() {
    sandbox_stop_mspd "$@"
    sandbox_start_mspd
}

sandbox_up
sandbox_start_sim
sandbox_start_mspd
push enforce 10.9.9.9/32 80
first=$(epoch)
push audit 10.9.9.9/32 80
check_eq "another mode: the same epoch" "$(epoch)" "$first"
restart KILL
push enforce 10.9.9.9/32 80
check_eq "after a restart: the same epoch" "$(epoch)" "$first"
push enforce 10.9.9.8/32 80
check_eq "another address: a new epoch" "$(epoch)" "$((first + 1))"
restart
push enforce 10.9.9.8/32 81
check_eq "another port after a restart: a new epoch" "$(epoch)" "$((first + 2))"
ctl policy rollback >/dev/null || die "rollback"
check_eq "back to the port before: a new epoch" "$(epoch)" "$((first + 3))"

status=$(ctl --json status)
check_eq "status has the guards' counters" "$(jq -r '[.stats[].name |
    select(. == "bind-denied" or . == "egress-denied")] | length' \
    <<<"$status")" 2
check_eq "status has how the first boot is judged" \
    "$(jq -r .bootstrap <<<"$status")" root
check "status has a fresh heartbeat" test \
    "$(jq .heartbeat.age_ms <<<"$status")" -lt 5000
sandbox_done
