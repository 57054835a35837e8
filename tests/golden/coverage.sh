#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# coverage.sh DIAG-HEADER CASES-DIR: each diagnostic code of the header must
# be raised by at least one case.
set -u

header=$1
cases=$2
names=$(sed -n 's/^ *X([A-Z_]*, "\([a-z-]*\)").*/\1/p' "$header")
if [ -z "$names" ]; then
    echo "no diagnostic codes in $header"
    exit 1
fi
failed=0
for name in $names; do
    if ! cat "$cases"/*/diag.txt |
        grep -Eq "^policy\.json[:0-9]*: (error|warning) $name "; then
        echo "no golden case for diagnostic \"$name\""
        failed=1
    fi
done
exit $failed
