#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# run.sh MSPC CASE-DIR: compiles CASE-DIR/policy.json (or what policy.sh
# prints) and compares: image.txt is the dump of the image, diag.txt what the
# compiler said. A file that is not there means there must be nothing.
# UPDATE_GOLDEN=1 rewrites both; review the change with git diff.
set -u

mspc=$1
dir=$2
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM

if [ -e "$dir/policy.sh" ]; then
    sh "$dir/policy.sh" >"$tmp/policy.json" || exit 1
else
    cp "$dir/policy.json" "$tmp/policy.json" || exit 1
fi
cd "$tmp" || exit 1

"$mspc" compile policy.json -o image >"$tmp/stdout" 2>"$tmp/diag.txt"
code=$?
case $code in
0)
    "$mspc" dump image >image.txt || exit 1
    # The same bytes from the same document, read from a pipe.
    "$mspc" compile - -o - <policy.json 2>/dev/null | cmp - image || exit 1
    ;;
2)
    if [ -e image ]; then
        echo "a refused document left an image"
        exit 1
    fi
    : >image.txt
    ;;
*)
    echo "mspc: exit $code"
    cat diag.txt
    exit 1
    ;;
esac
if [ -s stdout ]; then
    echo "unexpected output on stdout"
    exit 1
fi

failed=0
for name in image.txt diag.txt; do
    if [ "${UPDATE_GOLDEN:-}" = 1 ]; then
        rm -f "$dir/$name"
        [ ! -s "$name" ] || cp "$name" "$dir/$name"
        continue
    fi
    expected=$dir/$name
    [ -e "$expected" ] || expected=/dev/null
    diff -u --label "expected $name" --label "found $name" \
        "$expected" "$name" || failed=1
done
exit $failed
