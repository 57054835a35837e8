#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# All checks of the tree: `ctest -L check` without the rest. Needs a
# configured and built preset, default dev: scripts/lint.sh [PRESET]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

preset=${1:-dev}
if [ ! -e "build/$preset/compile_commands.json" ]; then
    echo "lint: first: cmake --workflow --preset $preset" >&2
    exit 2
fi
exec ctest --test-dir "build/$preset" --label-regex '^check$' \
    --output-on-failure --no-tests=error
