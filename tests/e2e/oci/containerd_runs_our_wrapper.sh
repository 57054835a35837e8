#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# containerd with mspd-oci-runtime for its runc: what the README says to write
# makes its containers known, and its shim notices nothing.
. "$(dirname "$0")/common.sh"

# In cgroups of ours, whatever it starts; `ctr` talks to it.
containerd_start() {
    printf 'version = 2\nroot = "%s"\nstate = "%s"\n%s\n[grpc]\n%s\n' \
        "$OCI_DIR/containerd" "$OCI_DIR/run" \
        'disabled_plugins = ["io.containerd.grpc.v1.cri"]' \
        "address = \"$OCI_DIR/containerd.sock\"" >"$OCI_DIR/config.toml"
    (oci_become containerd --config "$OCI_DIR/config.toml" \
        >"$OCI_DIR/containerd.log" 2>&1) &
    SB_PIDS+=($!)
    until_true 20 ctr_is version ||
        die "containerd: $(tail -n 5 "$OCI_DIR/containerd.log")"
}

ctr_is() {
    (oci_become ctr --address "$OCI_DIR/containerd.sock" "$@")
}

# ctr_ask NAME NETNS OPTION...: one request as the container's first program
ctr_ask() {
    local name=$1 netns=$2
    shift 2
    ctr_is run --rm --rootfs --runc-binary "$SB_DIR/bin/mspd-oci-runtime" \
        --cgroup "/${SB_CG##*/}/pods/$name" \
        --with-ns "network:$netns" "$@" "$OCI_DIR/rootfs" "$name" \
        /bin/busybox wget -q -S -O /dev/null --header 'Metadata: true' \
        --header "x-client-id: $name" "http://$IMDS/metadata/versions" \
        >"$OCI_DIR/got" 2>&1
    oci_result "$OCI_DIR/got"
}

listed() {
    ctl --json container list |
        jq -r --arg id "$1" ".container[] | select(.id == \$id) | $2"
}

sandbox_up
oci_up
command -v containerd >/dev/null || die "containerd is missing; run scripts/setup"
note "$(containerd --version) with $OCI_PATH"

# the file has one place; nobody else sees this /etc
cp -a /etc "$OCI_DIR/etc"
mkdir -p "$OCI_DIR/etc/mspd"
printf '{"runtime":"%s","manager":"containerd"}\n' "$OCI_PATH" \
    >"$OCI_DIR/etc/mspd/oci-runtime.json"
chmod 0644 "$OCI_DIR/etc/mspd/oci-runtime.json"
mount --bind "$OCI_DIR/etc" /etc || die "no /etc of our own"
ln -s mspctl "$SB_DIR/bin/mspd-oci-runtime"
# under that name there are no options of ours: socket and spool are the usual
mount -t tmpfs tmpfs /run && mkdir /run/mspd &&
    mount --bind "$SB_DIR/run" /run/mspd || die "no /run of our own"

make_netns pod
sandbox_start_sim
sandbox_start_mspd
containerd_start
web=(--annotation io.kubernetes.cri.container-name=web
    --annotation io.kubernetes.cri.sandbox-namespace=prod)
dev=(--annotation io.kubernetes.cri.container-name=web
    --annotation io.kubernetes.cri.sandbox-namespace=dev)
push_policy "$(policy "$(item disabled allow)")"
check_eq "off: no route" "$(ctr_ask off "$SB_DIR/ns/pod" "${web[@]}")" \
    ENETUNREACH
push_policy "$(policy "$(item enforce deny "$(rules /metadata \
    '"container":{"name":"web"},"pod":{"namespace":"prod"}')")")"
journal_mark
check_eq "the first program of an allowed pod" \
    "$(ctr_ask web "$SB_DIR/ns/pod" "${web[@]}")" 200
check_eq "signed" "$(journal | jq -r '.client_id + " " + .signed')" "web valid"
check_eq "its neighbour" "$(ctr_ask dev "$SB_DIR/ns/pod" "${dev[@]}")" EPERM
sandbox_done
