#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# A socket bound to a device cannot reach the listener on loopback. In enforce
# it is denied at once, with a reason of its own, and leaves nothing in the
# hand-off table; in audit mode it goes out directly.
. "$(dirname "$0")/../../harness/sandbox.sh"

USER=2001:3001
VETH=veth-vm

test_pending_is_0() {
    [[ $(pending) == 0 ]]
}

bound() {
    run_as $USER vm curl -s -o /dev/null --max-time 5 -w '%{http_code}' \
        -H 'Metadata: true' --interface "if!$VETH" \
        "http://$IMDS/metadata/versions"
}

pending() {
    bpftool -j map dump pinned "$SB_DIR/bpf/mspd/layout-8/maps/msp_handoff" |
        jq length
}

sandbox_up
sandbox_start_sim
sandbox_start_mspd
sim_mode imds=off
push_policy "$(policy "$(item disabled allow)")"
check_eq "with enforcement off it is served" "$(bound)" 200
push_policy "$(policy "$(item enforce allow)")"
journal_mark
check_eq "in enforce it is denied" "$(bound)" 000
check_eq "and leaves no mark behind" "$(pending)" 0
check_eq "nothing reached the host" "$(journal_count)" 0
check "the reason is in the audit map" \
    grep -q BOUND_DEVICE <(bpftool map dump pinned \
        "$SB_DIR/bpf/mspd/layout-8/maps/msp_audit")
check_eq "an unbound socket of the same user is served" \
    "$(ask curl $USER vm $IMDS:80 /metadata/versions x)" 200
push_policy "$(policy '{"mode":"enforce","defaultAccess":"deny","id":"t",
    "onDeny":"http"}')"
check_eq "nor is it for its 403" "$(bound)" 000
check_eq "which leaves no mark behind either" "$(pending)" 0
push_policy "$(policy "$(item audit deny)")"
journal_mark
check_eq "in audit mode it goes out" "$(bound)" 200
check_eq "directly" "$(journal | jq -r .signed)" none

# --- marks on their way are shared out by payer ----------------------------------
make_netns crowd
check "a listener in another namespace" ctl netns add "$SB_DIR/ns/crowd"
push_policy "$(policy "$(item enforce allow)")"
client_cgroup crowd
# the proxy does not accept: from a full queue on, each SYN leaves its mark
# until the socket is closed
FLOOD='
import resource, socket, sys, time
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(7)[1],) * 2)
held = []
for i in range(12000):
    s = socket.socket()
    s.setblocking(False)
    s.connect_ex(("169.254.169.254", 80))
    held.append(s)
print("held", flush=True)
sys.stdin.readline()
'
kill -STOP "$(child_pid mspd-proxy)"
coproc HOLD { run_as $USER crowd python3 -c "$FLOOD"; }
read -r -t 60 line <&"${HOLD[0]}"
check_eq "the crowd stands" "$line" held
n=$(pending)
check "its marks are many, and capped: $n" test "$n" -gt 256 -a "$n" -le 512
kill -CONT "$(child_pid mspd-proxy)"
client_cgroup elsewhere
check_eq "a caller elsewhere is served" \
    "$(ask curl $USER vm $IMDS:80 /metadata/versions x)" 200
echo >&"${HOLD[1]}"
wait "$HOLD_PID" 2>/dev/null
check "and none stays behind" until_true 10 test_pending_is_0
sandbox_done
