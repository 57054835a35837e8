#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# coverage_can_fail.sh DIAG-HEADER CASES-DIR: the check finds a code without a
# case, and a header it cannot read.
set -u

here=$(dirname "$0")
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM

sed 's/X(BLANK, "blank")/X(PLANTED, "planted")/' "$1" >"$tmp/planted.h"
if "$here/coverage.sh" "$tmp/planted.h" "$2" >"$tmp/out"; then
    echo "a planted code without a case was not found"
    exit 1
fi
grep -q '"planted"' "$tmp/out" || exit 1

: >"$tmp/empty.h"
if "$here/coverage.sh" "$tmp/empty.h" "$2" >"$tmp/out"; then
    echo "an empty header passed"
    exit 1
fi
