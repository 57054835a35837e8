#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# Formats every tracked .c and .h in place; --check only says what differs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [ "${1:-}" = --check ]; then
    exec tests/check/format .
fi
if [ $# -ne 0 ]; then
    echo "usage: scripts/format.sh [--check]" >&2
    exit 2
fi
tool=$(command -v clang-format-14 || command -v clang-format)
git ls-files -z --cached --others --exclude-standard -- '*.c' '*.h' |
    xargs -0 -r "$tool" -i --style=file
