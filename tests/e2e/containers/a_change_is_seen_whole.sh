#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# Registrations change all the time while their containers connect: who is
# allowed before and after a change is never denied in between, and who is
# denied is never taken for another whose row stood where his stands now.
. "$(dirname "$0")/../../harness/sandbox.sh"

CHANGES=${MSP_CHANGES:-150}

CONNECTS='
import errno, os, socket, sys
ok, bad, path = 0, {}, sys.argv[1]
while os.path.exists(path):
    s = socket.socket()
    try:
        s.connect(("169.254.169.254", 80))
        ok += 1
    except OSError as e:
        bad[errno.errorcode[e.errno]] = bad.get(errno.errorcode[e.errno], 0) + 1
    s.close()
print(ok, " ".join(f"{k}" for k in sorted(bad)) or "none", sum(bad.values()))
'

# client CGROUP: connects until told to end; its result is in tmp/CGROUP
client() {
    (exec_in "$SB_CG/$1" nsenter --net="$SB_DIR/ns/vm" -- unshare --pid --fork \
        -- setpriv --reuid 2001 --regid 3001 --clear-groups -- \
        python3 -c "$CONNECTS" "$SB_DIR/tmp/going" >"$SB_DIR/tmp/$1") &
    CLIENTS+=($!)
    SB_PIDS+=($!)
}

# register CGROUP NAMESPACE ROUND
register() {
    ctl container set --cgroup "$BASE/$1" --name "$1" --pod-namespace "$2" \
        --pod-label "round=$3" >/dev/null
}

sandbox_up
BASE=/${SB_CG##*/}
mkdir "$SB_CG"/{allowed,denied,other}
sandbox_start_sim
sandbox_start_mspd
push_policy "$(policy "$(item enforce deny '{
    "privileges":[{"name":"p","path":"/metadata/versions"}],
    "roles":[{"name":"r","privileges":["p"]}],
    "identities":[{"name":"i","pod":{"namespace":"prod"}},
        {"name":"odd","pod":{"labels":{"round":"1"}},"uid":1}],
    "roleAssignments":[{"role":"r","identities":["i","odd"]}]}')")"
register allowed prod 0
register denied dev 1
touch "$SB_DIR/tmp/going"
CLIENTS=()
client allowed
client denied
failed=0
for ((i = 0; i < CHANGES; i++)); do
    # rows of the allowed are freed and taken by those of the others
    register allowed prod $((i % 2)) || ((failed++))
    register denied dev $((i % 2)) || ((failed++))
    register other prod $((i % 2)) || ((failed++))
    ctl container remove --cgroup "$BASE/other" >/dev/null || ((failed++))
done
rm "$SB_DIR/tmp/going"
wait "${CLIENTS[@]}"
read -r ok why n <"$SB_DIR/tmp/allowed"
note "allowed: $ok connected, $n not ($why)"
check "the allowed one connected all the time" test "$ok" -ge "$CHANGES"
check_eq "and was never denied" "$why" none
read -r ok why n <"$SB_DIR/tmp/denied"
note "denied: $ok connected, $n not ($why)"
check_eq "the denied one never connected" "$ok" 0
check "it tried all the time" test "$n" -ge "$CHANGES"
check_eq "for one reason" "$why" EPERM
check_eq "no change failed" "$failed" 0
sandbox_done
