#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# mspc.sh MSPC: flags, exit codes and files of the command.
# shellcheck disable=SC2086  # some words are made of several options
set -u

mspc=$1
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
cd "$tmp" || exit 1
failed=0

# expect CODE COMMAND...: runs it, keeps its output in out and err.
expect() {
    want=$1
    shift
    "$@" >out 2>err
    got=$?
    if [ $got -ne "$want" ]; then
        echo "exit $got, not $want: $*"
        cat err
        failed=1
    fi
}

claim() {
    if ! eval "$2"; then
        echo "not so: $1"
        failed=1
    fi
}

"$mspc" default >good.json || exit 1
echo '{"version":2}' >bad.json

expect 0 "$mspc" check good.json
claim "a good document is not worth a word" '[ ! -s out ] && [ ! -s err ]'
expect 2 "$mspc" check bad.json
claim "text goes to standard error" '[ ! -s out ] && [ -s err ]'
expect 2 "$mspc" check --json bad.json
claim "JSON goes to standard output" '[ -s out ] && [ ! -s err ]'
claim "JSON names the schema" 'head -c 12 out | grep -q "{\"schema\":1,"'
expect 0 sh -c "'$mspc' check - <good.json"
expect 2 sh -c "'$mspc' check --json - <bad.json"
claim "standard input has a name" 'grep -q "\"source\":\"stdin\"" out'

expect 0 "$mspc" compile good.json -o image
claim "an image may be read by all" '[ "$(stat -c %a image)" = 644 ]'
(umask 077 && "$mspc" compile good.json -o private) || failed=1
claim "but not against the umask" '[ "$(stat -c %a private)" = 600 ]'
cp image before
expect 2 "$mspc" compile bad.json -o image
claim "a refused document leaves the old image" 'cmp -s image before'
expect 2 "$mspc" compile good.json -o missing/image
expect 2 "$mspc" compile good.json -o .
claim "only files are replaced" 'grep -q "not a regular file" err'
claim "no temporary file is left" '[ -z "$(find . -name "*.??????" ! -name "*.json")" ]'
expect 0 sh -c "'$mspc' compile good.json -o - | cmp - image"
expect 2 sh -c "'$mspc' compile --json bad.json -o -"
claim "an image's place is kept clear" '[ ! -s out ] && [ -s err ]'

expect 0 "$mspc" dump image
claim "text begins with the version" 'head -n 1 out | grep -q "^image version 4$"'
expect 0 "$mspc" dump image --json
claim "JSON begins with the schema" 'head -c 12 out | grep -q "{\"schema\":1,"'
claim "a prefix and its port are two members" \
    'grep -q "\"address\":\"168.63.129.16/32\",\"port\":32526}" out'
expect 2 "$mspc" dump good.json
claim "what is no image is called so" 'grep -q "not a policy image" err'
head -c 100 image >short
expect 2 "$mspc" dump short
: >empty
expect 2 "$mspc" dump empty

printf '{"defaultAccess":"allow"}' >local.json
expect 2 "$mspc" check local.json
claim "whose rules they are must be said" 'grep -q "endpoint imds or" err'
expect 0 "$mspc" check local.json --endpoint imds
expect 0 "$mspc" check local.json --endpoint wireserver --mode audit
expect 0 "$mspc" check --form local --endpoint imds local.json
expect 2 "$mspc" check --form native local.json
expect 2 "$mspc" check --form yaml local.json
expect 2 "$mspc" check --endpoint imds --mode Enforce local.json
expect 2 "$mspc" check --endpoint hostga local.json
expect 2 "$mspc" check good.json --mode audit
expect 2 "$mspc" dump image --form native
expect 2 "$mspc" default --mode audit

imds="--endpoint imds --target /x"
expect 0 "$mspc" explain image $imds
expect 0 "$mspc" explain good.json $imds
expect 0 sh -c "'$mspc' explain - $imds <good.json"
expect 0 sh -c "'$mspc' explain - $imds <image"
claim "the verdict comes first" 'head -n 1 out | grep -q "^allow: "'
expect 1 "$mspc" explain image --endpoint wireserver --target /x --uid 0
expect 0 "$mspc" explain image --endpoint wireserver --target /x --root
expect 0 "$mspc" explain image $imds --json
claim "an answer begins with the schema" 'head -c 12 out | grep -q "{\"schema\":1,"'
expect 0 "$mspc" explain local.json $imds --json
claim "an answer is alone on standard output" '[ "$(grep -c schema out)" = 1 ] && [ -s err ]'
expect 2 "$mspc" explain bad.json $imds --json
claim "no answer, no output" '[ ! -s out ] && [ -s err ]'
expect 2 "$mspc" explain short $imds
expect 2 "$mspc" explain missing $imds
expect 2 "$mspc" explain image --endpoint imds
expect 2 "$mspc" explain image --target /x
expect 2 "$mspc" explain image --endpoint no --target /x
claim "the endpoints there are" 'grep -q "\"no\".* imds wireserver hostga$" err'
for wrong in "--uid -1" "--uid 4294967295" "--uid 1x" "--gid root" \
    "--method get" "--method TRACE" "--root --container" "--root --uid 1" \
    "--uid 99999999999999999999" "-o x" "--exe bin/x" "--exe /a/.." \
    "--process a/b" "--sha256 00" "--cgroup x" "--unit x" \
    "--unit x.service --cgroup /x" "--cgroup /x --cgroup /x" \
    "--sha256 $(printf '%064d' 0)"; do
    expect 2 "$mspc" explain image $imds $wrong
done
expect 0 "$mspc" explain image $imds --exe /bin//x --process x --cgroup / \
    --sha256 "$(printf '%064d' 0)"
expect 0 "$mspc" explain image $imds --unit a-b.slice/x.service
groups=$(seq -f "--group %g" 1 64)
expect 0 "$mspc" explain image $imds $groups
expect 2 "$mspc" explain image $imds $groups --group last
expect 2 "$mspc" check good.json --uid 1
expect 5 sh -c "'$mspc' explain image $imds >/dev/full"

expect 2 "$mspc"
expect 2 "$mspc" explode
claim "the word is named" 'grep -q "\"explode\": no such command" err'
claim "what is wrong is not lost in help" '[ "$(wc -l <err)" = 2 ]'
expect 2 "$mspc" check
claim "what is missing is named" 'grep -q "check takes FILE|-" err'
expect 2 "$mspc" check good.json bad.json
expect 2 "$mspc" check good.json -o image
expect 2 "$mspc" compile good.json
expect 2 "$mspc" check --what good.json
expect 2 "$mspc" check missing.json
expect 2 "$mspc" default good.json
expect 0 "$mspc" --help
claim "help is asked for: standard output" '[ -s out ] && [ ! -s err ]'
expect 0 "$mspc" --version
expect 5 sh -c "'$mspc' default >/dev/full"
expect 5 sh -c "'$mspc' dump image >/dev/full"
exit $failed
