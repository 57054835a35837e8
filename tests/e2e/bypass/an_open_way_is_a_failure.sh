#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# The command of all ways to an endpoint fails for a way that is open, for one
# that was not shown open first, for another layer than was said, for a limit
# that is none, and for an allowed caller who is not served. It says how many
# were not tried, and does not call stopped what nothing had to stop.
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/../../harness/sandbox.sh"

ROWS='
x | good | vm user | steps connect=IMDS:80 | request | connect
x | open | vm user | datagram_to 3000 | 10.97.0.1 3000 udp 4 | egress
x | never open | vm user | datagram_to 3001 | 10.97.0.1 3002 udp 4 | egress
x | other layer | vm user | steps connect=IMDS:80 | request | uplink
x | no limit | vm user | steps connect=IMDS:80 | request | limit: x
x | is a way | vm user | steps connect=IMDS:80 | request | no way
x | not served | vm user | steps connect=IMDS:80 | request | served
x | too new | vm user | datagram_to 3003 | 10.97.0.1 3004 udp 4 | egress
x | changed | vm root | changed_ring veth-vm sim | IMDS 80 syn 0 | none
'

# What is said of a row.
said() {
    grep -c "^not ok - $1: $2" "$SB_DIR/tmp/said"
}

sandbox_up
printf '%s' "$ROWS" >"$SB_DIR/tmp/rows"
echo "bypass.too-new * came with a later Linux" >"$SB_DIR/tmp/skips"
MSP_SANDBOX_MNT='' MSP_BYPASS_ROWS=$SB_DIR/tmp/rows \
    MSP_BYPASS_SKIPS=$SB_DIR/tmp/skips TMPDIR=$SB_DIR/tmp \
    "$HERE/run" >"$SB_DIR/tmp/said" 2>&1
check_eq "it fails" $? 1
check_eq "the good row is none of it" "$(said good '.*')" 0
check_eq "open" "$(said open 'OPEN')" 1
check_eq "never open" "$(said 'never open' 'not shown open')" 1
check_eq "another layer" "$(said 'other layer' 'stopped, not by uplink but by connect')" 1
check_eq "a limit that is stopped" "$(said 'no limit' 'stated as a limit, but stopped')" 1
check_eq "what should be no way is one" "$(said 'is a way' 'it is a way')" 1
check "how many were not tried" grep -q \
    '^9 rows: .*1 not tried on this kernel' "$SB_DIR/tmp/said"
check "what went as it was judged was not stopped" grep -Eq \
    '^x +changed .* none +as judged$' "$SB_DIR/tmp/said"
check_eq "who should be served is not" "$(said 'not served' 'got EPERM')" 1
MSP_SANDBOX_MNT='' TMPDIR=$SB_DIR/tmp "$HERE/run" 'no such row' \
    >"$SB_DIR/tmp/said" 2>&1
check_eq "no row at all is a failure" $? 1
sandbox_done
