#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# Executables in more directories than are watched: status is degraded and says
# why, each of them counts all the same, and with fewer of them all is well.
. "$(dirname "$0")/../../harness/sandbox.sh"
. "$(dirname "$0")/keep.sh"

USER=1000:1000
PATHS=1024 # of five directories each

many() {
    python3 - "$DIR" "$PATHS" <<'EOF'
import json, sys
names = [f"i{i}" for i in range(int(sys.argv[2]))]
print(json.dumps({
    "privileges": [{"name": "p", "path": "/metadata/versions"}],
    "roles": [{"name": "r", "privileges": ["p"]}],
    "identities": [{"name": n, "exePath": f"{sys.argv[1]}/{n}/a/b/c/d/app"}
                   for n in names],
    "roleAssignments": [{"role": "r", "identities": names}]}))
EOF
}

# status FILTER
status() {
    ctl --json status | jq -r "$1"
}

all_are_found() {
    (($(status .files.current) == PATHS))
}

is_blind() {
    [[ $(status .files.blind) == "executables of the policy are in more"* ]]
}

degraded_by_files() {
    status '.reasons[].text' | grep -q 'files.blind'
}

sandbox_up
DIR=$SB_DIR/apps
for ((i = 0; i < PATHS; i++)); do
    mkdir -p "$DIR/i$i/a/b/c/d"
done
install -m 0755 "$SB_DIR/bin/mspspoof" "$DIR/app"
for ((i = 0; i < PATHS; i++)); do
    ln "$DIR/app" "$DIR/i$i/a/b/c/d/app"
done
install -m 0755 "$SB_DIR/bin/mspspoof" "$DIR/copy"
sandbox_start_sim
sandbox_start_mspd

push_policy "$(policy "$(item enforce deny \
    "$(rules /metadata/versions "\"exePath\":\"$DIR/app\"")")")"
new "one path: it counts" 200 "$DIR/app" ask
check_eq "and is watched" "$(status '"\(.files.unwatched)\(.files.blind)"')" 0

push_policy "$(policy "$(item enforce deny "$(many)")")"
check "many: all of them are found" until_true 20 all_are_found
check "status says why some are not watched" until_true 20 is_blind
check "and some are not" test "$(status .files.unwatched)" -gt 0
check "but most are" test "$(status .files.unwatched)" -lt $((PATHS / 2))
check_eq "the state is degraded" "$(status .state)" degraded
check "because of them" degraded_by_files
check "status in text says so, too" grep -q 'more directories' <(ctl status)
for i in 0 1 511 1022 1023; do
    new "number $i counts" 200 "$DIR/i$i/a/b/c/d/app" ask
done
new "a copy does not" EPERM "$DIR/copy" ask

push_policy "$(policy "$(item enforce deny \
    "$(rules /metadata/versions "\"exePath\":\"$DIR/app\"")")")"
check_eq "one path once more: all is well" \
    "$(status '"\(.state) \(.files.unwatched)\(.files.blind)"')" "ok 0"
sandbox_done
