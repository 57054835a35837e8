#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# The platform probes this host from the very addresses that are endpoints, and
# may come from an endpoint's own port. What it opened is answered in full,
# whatever the policy says about connections the other way.
. "$(dirname "$0")/../../harness/sandbox.sh"

PACKETS=$MSP_SOURCE/tests/harness/client/packets.py
BYTES=300000

listens() {
    grep -qx listening "$SB_DIR/tmp/served"
}

has_reported() {
    [[ $(tail -n 1 "$SB_DIR/tmp/served") != listening ]]
}

# probe FROM PORT [SERVER-PORT]: "what the prober got; what the server got"
probe() {
    local got to=${3:-8080}
    : >"$SB_DIR/tmp/served"
    spawn_as 2001:3001 vm python3 "$PACKETS" serve 10.97.0.2 "$to" $BYTES \
        >"$SB_DIR/tmp/served" 2>&1
    until_true 10 listens || die "the server: $(cat "$SB_DIR/tmp/served")"
    got=$(in_ns sim python3 "$PACKETS" probe "$1" "$2" 10.97.0.2 "$to")
    until_true 10 has_reported # what it read, once the prober has gone
    kill "$SB_LAST" 2>/dev/null
    wait "$SB_LAST" 2>/dev/null
    echo "$got; $(tail -n 1 "$SB_DIR/tmp/served")"
}

all() {
    local from
    for from in "$WIRE 0" "$WIRE 32526" "$WIRE 80" "$IMDS 80" "$IMDS 40000"; do
        # shellcheck disable=SC2086
        check_eq "$1: a probe from ${from% *}, port ${from#* }" \
            "$(probe $from)" "$BYTES ok; read 24 end 0"
    done
    # a port of the agent's range that the agent has not taken
    check_eq "$1: a probe of a server on port 61085" \
        "$(probe "$WIRE" 32526 61085)" "$BYTES ok; read 24 end 0"
}

# no simulated host here: its listeners would hold the ports we come from
sandbox_up
all "without mspd"
sandbox_start_mspd
push_policy "$(policy "$(item disabled allow)")"
all disabled
push_policy "$(policy "$(item enforce deny)" "$(item enforce deny)" \
    "$(item enforce deny)")"
all enforced
check_eq "nothing was dropped" "$(ctl --json status |
    jq '.stats[] | select(.name == "egress-denied") | .value')" 0
check_eq "and the other way is closed" \
    "$(http_code 2001:3001 vm "http://$WIRE/machine?comp=goalstate")" EPERM
sandbox_done
