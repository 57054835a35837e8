#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# A container that makes as many network namespaces as it likes, in cgroups of
# its own, and asks for a token in each: it gets its share of the listeners, and
# others are served as before.
. "$(dirname "$0")/../../harness/sandbox.sh"
. "$(dirname "$0")/common.sh"

LIMIT=400 # descriptors: half of them for listeners
MANY=60
SHARE=8 # of so few

has_answers() {
    [[ -s $SB_DIR/tmp/held ]]
}

served() {
    jq '.results["200"] // 0' "$SB_DIR/tmp/held"
}

sandbox_up
sandbox_start_sim
ulimit -Sn "$LIMIT"
ulimit -Hn "$LIMIT"
sandbox_start_mspd
allow_user
# a pod, as the kubelet makes it, and what it makes of its cgroup
pod=$SB_CG/work/slice/pod
mkdir -p "$pod"
(exec_as 0:0 vm netnses -u $USER -c "$pod" -w "$SB_DIR/tmp/end" "$IMDS:80" \
    $MANY >"$SB_DIR/tmp/held") &
SB_PIDS+=("$!")
check "one pod asks from $MANY namespaces, in as many cgroups" \
    until_true 60 has_answers
note "$(cat "$SB_DIR/tmp/held")"
check_eq "it is served in its share of them" "$(served)" "$SHARE"
check_eq "no more listeners are made" "$(listeners)" $((SHARE + 1))
mkdir "$pod/more"
check_eq "it asks from one more, and is not served" \
    "$(crowd -c "$pod/more" "$IMDS:80" 1 | sed 's/EPERM/ETIMEDOUT/')" \
    "1 x ETIMEDOUT"
check "mspd says why" grep -q \
    'listener.failed.*who asks has as many as he may have' "$SB_DIR/mspd.log"
client_cgroup other
check_eq "another one is served" "$(crowd "$IMDS:80" 4)" "4 x 200"
check_eq "and who has a listener goes on" \
    "$(ask curl $USER:3001 vm "$IMDS:80" /metadata/versions vm)" 200
touch "$SB_DIR/tmp/end"
check "they end, and their listeners" until_true 30 has_listeners 1
is_served_again() {
    [[ $(crowd -c "$pod" "$IMDS:80" 1) == "1 x 200" ]]
}
check "there is room again, for the pod too" until_true 10 is_served_again
sandbox_done
