# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# shellcheck shell=bash
#
# Containers of a real OCI runtime: a root file system of one static busybox,
# cgroups below the test's own, and our wrapper before the runtime.
. "$(dirname "${BASH_SOURCE[0]}")/../../harness/sandbox.sh"

OCI_RUNTIME=${OCI_RUNTIME:-runc}
OCI_LAYOUT=
OCI_CREATE=() # more options of create

# Becomes a command for which cgroup v2 is all there is, as on a host that boots
# with it; only what it starts sees so.
oci_seeing_v2() {
    # shellcheck disable=SC2016 # of the inner shell
    exec unshare --mount --propagation private bash -c '
        mount --bind "$1" /sys/fs/cgroup && shift && exec "$@"' \
        bash "${SB_CG%/*}" "$@"
}

oci_as_is() {
    exec "$@"
}

# oci_become COMMAND...: where a node agent would be, in the VM's cgroup and its
# network namespace; for subshells only. OCI_CG names another cgroup.
oci_become() {
    echo "$BASHPID" >"$SB_CG/${OCI_CG:-agent}/cgroup.procs" || exit 1
    "$OCI_VIEW" nsenter --net="$SB_DIR/ns/vm" -- "$@"
}

# Where the host has cgroups of v1 too, a runtime leaves its parents there.
oci_sweep() {
    local name=${SB_CG##*/}
    [[ $OCI_LAYOUT == hybrid ]] || return 0
    find /sys/fs/cgroup -mindepth 2 -depth -type d \
        \( -path "*/$name/*" -o -name "$name" \) \
        ! -path "$SB_CG*" -exec rmdir {} + 2>/dev/null
}

oci_down() {
    local status=$? name
    set +u
    for name in "${OCI_NAMES[@]}"; do
        oci_runtime delete --force "$name" >/dev/null 2>&1
    done
    oci_sweep
    (exit "$status")
    sandbox_down
}

# oci_up [unified]: after sandbox_up
oci_up() {
    OCI_DIR=$SB_DIR/oci
    OCI_NAMES=()
    OCI_PATH=$(PATH=$PATH:/usr/sbin command -v "$OCI_RUNTIME") ||
        die "$OCI_RUNTIME is missing; run scripts/setup"
    trap oci_down EXIT
    OCI_VIEW=oci_as_is
    if [[ ${1:-} == unified ]]; then
        OCI_VIEW=oci_seeing_v2
        OCI_LAYOUT=unified
    elif [[ $(findmnt -n -o FSTYPE /sys/fs/cgroup) == cgroup2 ]]; then
        OCI_LAYOUT=unified
    else
        OCI_LAYOUT=hybrid
    fi
    # the initramfs of a VM cannot be pivoted away from
    [[ $(findmnt -n -o FSTYPE /) != rootfs ]] || OCI_CREATE=(--no-pivot)
    mkdir -p "$OCI_DIR"/rootfs/{bin,proc,sys,dev,tmp} "$OCI_DIR/state"
    chmod 0755 "$OCI_DIR"
    chmod 1777 "$OCI_DIR/rootfs/tmp"
    cp /usr/bin/busybox "$OCI_DIR/rootfs/bin/busybox" ||
        die "busybox is missing; run scripts/setup"
    ln -s busybox "$OCI_DIR/rootfs/bin/sh"
    (cd "$OCI_DIR" && "$OCI_PATH" spec) || die "$OCI_RUNTIME spec"
    mv "$OCI_DIR/config.json" "$OCI_DIR/template.json"
}

oci_runtime() {
    (oci_become "$OCI_PATH" --root "$OCI_DIR/state" "$@")
}

# The same by our wrapper: oci_wrapped MANAGER ARGUMENT...
oci_wrapped() {
    local manager=$1
    shift
    (oci_become "$SB_DIR/bin/mspctl" oci-runtime \
        --runtime "$OCI_PATH" --manager "$manager" \
        --socket "$SB_DIR/run/control.sock" --spool "$SB_DIR/run/spool" \
        -- --root "$OCI_DIR/state" "$@")
}

# oci_bundle NAME NETNS JQ-FILTER: $OCI_DIR/NAME with its config.json. NETNS is
# a path, "new", or "host" for the one of the runtime.
oci_bundle() {
    local name=$1 netns=$2 filter=${3:-.} net
    mkdir -p "$OCI_DIR/$name"
    case $netns in
        new) net='{"type":"network"}' ;;
        host) net=null ;;
        *) net="{\"type\":\"network\",\"path\":\"$netns\"}" ;;
    esac
    jq --arg root "$OCI_DIR/rootfs" --argjson net "$net" \
        --arg cgroup "/${SB_CG##*/}/pods/$name" '
        .root = {path: $root, readonly: true} |
        .process.terminal = false |
        .process.args = ["/bin/busybox", "sleep", "600"] |
        .linux.cgroupsPath = $cgroup |
        .linux.namespaces |= (map(select(.type != "network")) +
            if $net then [$net] else [] end)' "$OCI_DIR/template.json" |
        jq "$filter" >"$OCI_DIR/$name/config.json" || die "bundle $name"
}

# oci_start NAME [MANAGER]: creates and starts it by the wrapper; what was said
# is in $OCI_DIR/NAME/said.
oci_start() {
    local manager=${2:-containerd}
    OCI_NAMES+=("$1")
    oci_wrapped "$manager" create "${OCI_CREATE[@]}" --bundle "$OCI_DIR/$1" \
        "$1" </dev/null \
        >"$OCI_DIR/$1/said" 2>&1 && oci_wrapped "$manager" start "$1"
}

# Its first process has begun: /proc says so, not the runtime alone.
oci_is_running() {
    [[ $(oci_runtime state "$1" 2>/dev/null | jq -r .status) == running ]]
}

oci_stop() {
    oci_wrapped containerd delete --force "$1"
}

oci_pid() {
    oci_runtime state "$1" | jq -r .pid
}

# oci_exec NAME COMMAND...: in the container, in its cgroup
oci_exec() {
    oci_runtime exec "$@"
}

# oci_get NAME: one GET of the metadata's versions from inside a container that
# runs; the status, or an errno's name.
oci_get() {
    oci_exec "$1" /bin/busybox wget -q -S -O /dev/null \
        --header 'Metadata: true' --header "x-client-id: $1" \
        "http://$IMDS/metadata/versions" >"$OCI_DIR/got" 2>&1
    oci_result "$OCI_DIR/got"
}

# oci_client NAME NETNS JQ-FILTER: a bundle whose first program asks at once for
# the metadata's versions.
oci_client() {
    oci_bundle "$1" "$2" ".process.args = [\"/bin/busybox\", \"wget\",
        \"-q\", \"-S\", \"-O\", \"/dev/null\", \"--header\",
        \"Metadata: true\", \"--header\", \"x-client-id: $1\",
        \"http://$IMDS/metadata/versions\"] |
        .process.user = {uid: 2001, gid: 3001} | ${3:-.}"
}

oci_is_stopped() {
    [[ $(oci_runtime state "$1" 2>/dev/null | jq -r .status) == stopped ]]
}

# Of what a client said: the status, or an errno's name.
oci_result() {
    case $(<"$1") in
        *'HTTP/1.1 '*)
            sed -n 's/.*HTTP\/1.1 \([0-9]*\).*/\1/p' "$1" | head -n 1
            ;;
        *'not permitted'*) echo EPERM ;;
        *'nreachable'*) echo ENETUNREACH ;;
        *'refused'*) echo ECONNREFUSED ;;
        *'timed out'*) echo timeout ;;
        *) head -c 300 "$1" ;;
    esac
}

# oci_ask NAME [MANAGER]: runs a client's container from its start to its end
oci_ask() {
    if ! oci_start "$@"; then
        echo "no start: $(<"$OCI_DIR/$1/said")"
    elif ! until_true 20 oci_is_stopped "$1"; then
        echo "no end: $(<"$OCI_DIR/$1/said")"
    else
        oci_result "$OCI_DIR/$1/said"
    fi
    oci_stop "$1"
}
