#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# 10,000 cgroups come and go; the first process in each connects at once and is
# already judged by where it is. No row outlives its cgroup.
. "$(dirname "$0")/../../harness/sandbox.sh"

CGROUPS=${MSP_CGROUPS:-10000}
ALIVE=200

# pods COUNT ALIVE; as root, who gives up his rights in the cgroup
pods() {
    (exec_in "$SB_CG/work" nsenter --net="$SB_DIR/ns/vm" -- \
        "$SB_DIR/bin/cgroups" "$IMDS:80" "$1" "$2" 1000 \
        "$SB_CG/pods" "$SB_CG/deep" "$SB_CG/other" 2>&1)
}

count() {
    jq "$1" <<<"$RESULT"
}

# Rows by cgroup id in every slot there is.
rows() {
    local map n=0
    while read -r map; do
        n=$((n + $(bpftool -j map dump pinned "$map" | jq length)))
    done < <(find "$SB_DIR"/bpf/mspd/layout-*/gen -name msp_cgroup)
    echo "$n"
}

is_back() {
    [[ $(rows) == "$BEFORE" ]]
}

sandbox_up
mkdir "$SB_CG/pods" "$SB_CG/deep" "$SB_CG/other"
base=/${SB_CG##*/}
sandbox_start_sim
sandbox_start_mspd

# Enforcement off: those of other/ are connected.
push_policy "$(policy "$(item disabled deny)")"
RESULT=$(pods 30 5)
check_eq "off: other/ is connected as well" "$(count .wrong)" 10
check_eq "off: all were made" "$(count '[.listed, .deep, .other, .failed]')" \
    "$(jq -n '[10, 10, 10, 0]')"

push_policy "$(policy "$(item enforce deny "{
    \"privileges\":[{\"name\":\"p\",\"path\":\"/metadata\"}],
    \"roles\":[{\"name\":\"r\",\"privileges\":[\"p\"]}],
    \"identities\":[{\"name\":\"pods\",\"cgroup\":\"$base/pods/*\"},
        {\"name\":\"deep\",\"cgroup\":\"$base/deep/*/x/**\"}],
    \"roleAssignments\":[{\"role\":\"r\",\"identities\":[\"pods\",\"deep\"]}]}")")"
BEFORE=$(rows)
check "there are rows for the way there" test "$BEFORE" -ge 3
began=$SECONDS
RESULT=$(pods "$CGROUPS" "$ALIVE")
note "$((SECONDS - began)) s: $RESULT"
check_eq "the first process of each was judged" \
    "$(count '.listed + .deep + .other')" "$CGROUPS"
check_eq "no right was missing" "$(count .missing)" 0
check_eq "no right was wrong" "$(count .wrong)" 0
check_eq "none failed otherwise" "$(count .failed)" 0
check "no row is left behind" until_true 10 is_back
check_eq "none found no room" "$(ctl --json status |
    jq '.stats[] | select(.name == "cgroup-dropped") | .value')" 0

# With cgroups already there when the policy comes.
mkdir -p "$SB_CG"/{pods/old,pods/old/below,other/old,deep/old/x}
push_policy "$(policy "$(item enforce deny "$(rules /metadata \
    "\"cgroup\":\"$base/pods/*\"")")")"
for row in pods/old:200 pods/old/below:EPERM other/old:EPERM deep/old/x:EPERM
do
    SB_CLIENT_CG=${row%:*}
    check_eq "an older cgroup, ${row%:*}" \
        "$(ask curl 1000:1000 vm "$IMDS:80" /metadata/versions old)" "${row#*:}"
done
sandbox_done
