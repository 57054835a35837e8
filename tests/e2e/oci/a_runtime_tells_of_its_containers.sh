#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# A real runtime behind our wrapper: each container is registered as what it
# is, before its first program runs; nothing that goes wrong stops one.
. "$(dirname "$0")/common.sh"

SPOOL=

# The field of the one registration of an id, "" if there is none.
spooled() {
    local file
    for file in "$SPOOL"/*; do
        [[ -f $file ]] && grep -qx "sid=$1" "$file" &&
            sed -n "s/^[sub]$2=//p" "$file"
    done
}

n_spooled() {
    find "$SPOOL" -type f 2>/dev/null | wc -l
}

sandbox_up
oci_up ${1:+"$1"}
note "$OCI_PATH, cgroups are $OCI_LAYOUT"
SPOOL=$SB_DIR/run/spool

# --- what is known of one -----------------------------------------------------

make_netns pod
oci_bundle web "$SB_DIR/ns/pod" '.annotations = {
    "io.kubernetes.cri.container-name": "web",
    "io.kubernetes.cri.image-name": "example.net/web:1",
    "io.kubernetes.cri.sandbox-namespace": "prod",
    "io.kubernetes.cri.sandbox-name": "web-0",
    "app": "forged"} |
    .linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{
        names: ["lseek"], action: "SCMP_ACT_ERRNO",
        args: [{index: 0, value: 1844674407370955, op: "SCMP_CMP_EQ"}]}]} |
    .hooks = {createRuntime: [{path: "/usr/bin/touch",
        args: ["touch", "'"$OCI_DIR"'/theirs"]}]}'
# jq keeps no such number; runtimes write it
sed -i 's/1844674407370955/18446744073709551615/' "$OCI_DIR/web/config.json"
cp "$OCI_DIR/web/config.json" "$OCI_DIR/web/before"
check "a container starts" oci_start web
check "and runs" until_true 5 oci_is_running web
check "another's hook is kept" test -e "$OCI_DIR/theirs"
check "no number was changed" \
    grep -q 18446744073709551615 "$OCI_DIR/web/config.json"
check_eq "nothing of its configuration was lost" \
    "$(jq -S 'del(.hooks)' "$OCI_DIR/web/config.json" | md5sum)" \
    "$(jq -S 'del(.hooks)' "$OCI_DIR/web/before" | md5sum)"
cgroup=/${SB_CG##*/}/pods/web
check_eq "its cgroup" "$(spooled web cgroup)" "$cgroup"
check_eq "its cgroup is the one its process is in" \
    "$(sed -n 's/^0:://p' "/proc/$(oci_pid web)/cgroup")" "$cgroup"
id=$(stat -c %i "$SB_CG/pods/web")
check_eq "the id of it" "$(spooled web cgroup_id)" "$id"
check "which names the file" test -f "$SPOOL/$(printf %016x "$id")"
check_eq "its process" "$(spooled web pid)" "$(oci_pid web)"
check_eq "its network namespace" "$(spooled web netns)" "$SB_DIR/ns/pod"
check_eq "its root directory" "$(spooled web root)" "$OCI_DIR/rootfs"
check_eq "who started it" "$(spooled web runtime)" containerd
check_eq "its name" "$(spooled web name)" web
check_eq "its image" "$(spooled web image)" example.net/web:1
check_eq "the namespace of its pod" "$(spooled web pod.namespace)" prod
check_eq "the name of its pod" "$(spooled web pod.name)" web-0
check_eq "no label: nobody can vouch for one" "$(spooled web label)" ""

# --- what another manager's containers may say ---------------------------------

oci_bundle forged new '.annotations = {
    "io.kubernetes.cri.container-name": "web",
    "io.kubernetes.cri.sandbox-namespace": "prod",
    "io.kubernetes.pod.name": "web-0"}'
check "a container of Docker" oci_start forged docker
check_eq "is known by its cgroup" "$(spooled forged cgroup)" \
    "/${SB_CG##*/}/pods/forged"
check_eq "and by nothing its user wrote" "$(spooled forged name)$(
    spooled forged pod.namespace)$(spooled forged pod.name)" ""
check_eq "its network namespace is its own: no path" \
    "$(spooled forged netns)" ""

# --- under the name of a runtime -------------------------------------------------

ln -s mspctl "$SB_DIR/bin/mspd-oci-runtime"
"$SB_DIR/bin/mspd-oci-runtime" --json state web >"$SB_DIR/named" 2>&1
check "it asks a file which runtime it is" \
    grep -q 'mspctl: /etc/mspd/oci-runtime.json: ' "$SB_DIR/named"

# --- its end -------------------------------------------------------------------

check_eq "two wait" "$(n_spooled)" 2
check "one ends" oci_stop web
check_eq "its registration went with it" "$(spooled web id)" ""
check_eq "the other's did not" "$(spooled forged id)" forged
check "it starts again, with hooks already there" oci_start web
check_eq "they are there once" \
    "$(jq '.hooks.createRuntime | length' "$OCI_DIR/web/config.json")" 2
check_eq "it is registered anew" "$(spooled web cgroup_id)" \
    "$(stat -c %i "$SB_CG/pods/web")"
check "it ends" oci_stop web

# --- what goes wrong stops no container -----------------------------------------

mkdir "$SB_CG/shared"
oci_bundle shared new ".linux.cgroupsPath = \"/${SB_CG##*/}/shared\""
OCI_CG=shared check "in the cgroup of its runtime it starts" oci_start shared
check_eq "and is not registered: all its like would be one" \
    "$(spooled shared id)" ""
check "it ends" oci_stop shared

oci_bundle odd new
sed -i '1s/{/{"hook\\u0073":{},/' "$OCI_DIR/odd/config.json"
check "with a configuration we cannot edit it starts" oci_start odd
check_eq "and is not registered" "$(spooled odd id)" ""
check "as was said" grep -q 'starts without rights' "$OCI_DIR/odd/said"
check "it ends" oci_stop odd

chmod 0755 "$SPOOL"
oci_bundle open new
check "with a spool open to others it starts" oci_start open
check_eq "and is not registered" "$(spooled open id)" ""
chmod 0700 "$SPOOL"
check "it ends" oci_stop open

# mspd takes the connection and never answers
python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen(16)
print("ready", flush=True)
kept = []
while True:
    kept.append(s.accept())' "$SB_DIR/run/control.sock" >"$SB_DIR/deaf" &
SB_PIDS+=($!)
until_true 5 grep -q ready "$SB_DIR/deaf" || die "no deaf mspd"
oci_bundle deaf new
began=${EPOCHREALTIME/[.,]/}
check "with an mspd that hangs it starts" oci_start deaf
took=$(((${EPOCHREALTIME/[.,]/} - began) / 1000))
note "it took $took ms"
check "soon" test "$took" -lt $((2500 * ${MSP_SLOW:-1}))
check_eq "and is left in the spool" "$(spooled deaf id)" deaf
check "it ends" oci_stop deaf
check_eq "only the one that runs is left" "$(n_spooled)" 1
check "it ends" oci_stop forged
check_eq "nothing is left" "$(n_spooled)" 0
sandbox_done
