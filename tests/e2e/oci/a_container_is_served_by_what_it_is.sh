#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# Containers of a real runtime against mspd: the first program of an allowed pod
# gets its answer, signed; its neighbour, of the same user and executable, its
# error; and so it stays while mspd comes and goes.
. "$(dirname "$0")/common.sh"

CLIENT=2001:3001
PROD='.annotations = {"io.kubernetes.cri.container-name": "web",
    "io.kubernetes.cri.sandbox-namespace": "prod",
    "io.kubernetes.cri.sandbox-name": "web-0"}'
DEV='.annotations = {"io.kubernetes.cri.container-name": "web",
    "io.kubernetes.cri.sandbox-namespace": "dev",
    "io.kubernetes.cri.sandbox-name": "web-0"}'

listed() {
    ctl --json container list |
        jq -r --arg id "$1" ".container[] | select(.id == \$id) | $2"
}

is_listed() {
    [[ -n $(listed "$1" .cgroup) ]]
}

is_unlisted() {
    ! is_listed "$1"
}

# Whether the container still listens on port 61080.
squats() {
    grep -Eq '^ *[0-9]+: [0-9A-F]+:EE98 [0-9A-F]+:0000 0A ' \
        "/proc/$(oci_pid squats)/net/"tcp{,6}
}

sandbox_up
oci_up ${1:+"$1"}
note "$OCI_PATH, cgroups are $OCI_LAYOUT"
sandbox_start_sim
sandbox_start_mspd

# --- enforcement off: what each would get by itself -----------------------------

push_policy "$(policy "$(item disabled allow)")"
sim_mode imds=off
for name in pod neighbour squatted late; do
    make_netns "$name"
done
oci_client plain new "$PROD"
check_eq "off: a container has no route" "$(oci_ask plain)" ENETUNREACH
oci_client plain host "$DEV"
check_eq "off: one with the host's network is answered" "$(oci_ask plain)" 200
check_eq "by a request that was not signed" \
    "$(journal | jq -r 'select(.client_id == "plain") | .signed')" none

sim_mode imds=enforce

# --- who is who -------------------------------------------------------------------

push_policy "$(policy "$(item enforce deny "$(rules /metadata \
    '"container":{"name":"web"},"pod":{"namespace":"prod"}')")")"
journal_mark
oci_client web "$SB_DIR/ns/pod" "$PROD"
check_eq "the first program of an allowed pod" "$(oci_ask web)" 200
check_eq "signed" "$(journal | jq -r '.client_id + " " + .signed')" "web valid"
oci_client own new "$PROD"
check_eq "one whose namespace nobody else has seen" "$(oci_ask own)" 200
oci_client dev "$SB_DIR/ns/neighbour" "$DEV"
check_eq "its neighbour: same user, same executable" "$(oci_ask dev)" EPERM
oci_client same "$SB_DIR/ns/pod" "$DEV"
check_eq "one in its network namespace" "$(oci_ask same)" EPERM
oci_client forged "$SB_DIR/ns/neighbour" "$PROD"
check_eq "one that Docker runs and that says what the pod is" \
    "$(oci_ask forged docker)" EPERM
oci_client odd "$SB_DIR/ns/pod" "$PROD"
sed -i '1s/{/{"hook\\u0073":{},/' "$OCI_DIR/odd/config.json"
check_eq "one that could not be given a hook" "$(oci_ask odd)" EPERM
check "which was said" grep -q 'starts without rights' "$OCI_DIR/odd/said"

# --- one that runs: list, log, audit, exec ------------------------------------------

oci_bundle stays "$SB_DIR/ns/pod" ".process.user = {uid: 2001, gid: 3001} | $PROD"
check "one that stays is started" oci_start stays
check_eq "it is listed" "$(listed stays '"\(.name) \(.pod.namespace) \(.runtime)"')" \
    "web prod containerd"
check_eq "with its cgroup" "$(listed stays .cgroup)" "/${SB_CG##*/}/pods/stays"
check_eq "and its right" "$(listed stays .identities)" 1
check_eq "what is run in it later is served" "$(oci_get stays)" 200
check_eq "a process of the host in its namespace is not" \
    "$(http_code $CLIENT pod "http://$IMDS/metadata/versions")" EPERM
check "it ends" oci_stop stays
check "and is forgotten" until_true 5 is_unlisted stays

# --- the host's network ----------------------------------------------------------

oci_client hostnet host "$PROD"
check_eq "an allowed pod with the host's network" "$(oci_ask hostnet)" 200
oci_client hostdev host "$DEV"
check_eq "its neighbour there" "$(oci_ask hostdev)" EPERM
check_eq "a process of the host" \
    "$(http_code $CLIENT vm "http://$IMDS/metadata/versions")" EPERM

# --- somebody sits on the listener's port ------------------------------------------

# everything a connection brings it goes to a file
spawn_as $CLIENT squatted python3 -c '
import socket, sys
kept = []
out = open(sys.argv[1], "a", buffering=1)
for port in range(61080, 61084):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("", port))
    s.listen(16)
    kept.append(s)
print("listening", file=out)
import select
while True:
    for s in select.select(kept, [], [])[0]:
        print("got", s.accept()[1], file=out)' "$SB_DIR/tmp/squatter"
until_true 5 grep -q listening "$SB_DIR/tmp/squatter" || die "no squatter"
oci_client squatted "$SB_DIR/ns/squatted" "$PROD"
check_eq "ports of the range are taken before us: still served" \
    "$(oci_ask squatted)" 200
check_eq "who took them got nothing" "$(grep -c got "$SB_DIR/tmp/squatter")" 0

# --- mspd away -----------------------------------------------------------------------

oci_bundle before "$SB_DIR/ns/pod" ".process.user = {uid: 2001, gid: 3001} | $PROD"
check "one is started" oci_start before
sandbox_stop_mspd
oci_bundle late "$SB_DIR/ns/late" ".process.user = {uid: 2001, gid: 3001} | $PROD"
check "one is started while mspd is away" oci_start late
check "and runs" until_true 5 oci_is_running late
check_eq "it is denied" "$(oci_get late)" EPERM
oci_bundle squats new ".process.user = {uid: 2001, gid: 3001} | $PROD |
    .process.args = [\"/bin/busybox\", \"nc\", \"-l\", \"-p\", \"61080\"]"
check "another takes the listener's port as long as nobody has it" \
    oci_start squats
check "and waits for connections" until_true 5 squats
sandbox_start_mspd
check "mspd is back: it is listed" until_true 10 is_listed late
check_eq "and served" "$(oci_get late)" 200
check_eq "one from before too" "$(oci_get before)" 200
check "who sits on the port is listed" until_true 10 is_listed squats
check_eq "and served on another" "$(oci_get squats)" 200
check "nothing connected to it" squats
check_eq "and nothing was said to it" "$(<"$OCI_DIR/squats/said")" ""
check "it ends" oci_stop squats
check_eq "the spool is empty" "$(find "$SB_DIR/run/spool" -type f)" ""
sandbox_stop_mspd KILL
check "mspd killed: one ends" oci_stop late
sandbox_start_mspd
check "it is forgotten all the same" until_true 10 is_unlisted late
check "the other is not" is_listed before
check "it ends" oci_stop before

check_eq "nothing went out that was not signed" \
    "$(journal_count '.signed != "valid"')" 0
sandbox_done
