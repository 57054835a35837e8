#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# run.sh MSPC CASE-DIR: compiles CASE-DIR/policy.json (or what policy.sh
# prints) with the words of options.txt and compares: image.txt is the
# dump of the image, diag.txt what the compiler said, explain.txt the answer
# to each line of questions.txt. A file that is not there means there
# must be nothing. UPDATE_GOLDEN=1 rewrites them; review with git diff.
set -fu

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
options=
[ ! -e "$dir/options.txt" ] || options=$(cat "$dir/options.txt")
cd "$tmp" || exit 1

# The options are words without blanks.
# shellcheck disable=SC2086
"$mspc" compile policy.json -o image $options >"$tmp/stdout" 2>"$tmp/diag.txt"
code=$?
case $code in
0)
    "$mspc" dump image >image.txt || exit 1
    # The same bytes from the same document, read from a pipe.
    # shellcheck disable=SC2086
    "$mspc" compile - -o - $options <policy.json 2>/dev/null | cmp - image ||
        exit 1
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

# Each question twice: of the document and of its image.
: >explain.txt
if [ -e "$dir/questions.txt" ]; then
    while read -r line; do
        # shellcheck disable=SC2086
        "$mspc" explain image $line >answer 2>words
        code=$?
        sed -n 1p words >>answer
        {
            printf '%s\n' "explain $line"
            cat answer
            printf '%s\n\n' "exit $code"
        } >>explain.txt
        # shellcheck disable=SC2086
        "$mspc" explain policy.json $options $line >again 2>/dev/null
        if [ $? -ne $code ] || { [ $code -ne 2 ] && ! cmp answer again; }; then
            echo "document and image differ: $line"
            exit 1
        fi
    done <"$dir/questions.txt"
fi

failed=0
for name in image.txt diag.txt explain.txt; do
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
