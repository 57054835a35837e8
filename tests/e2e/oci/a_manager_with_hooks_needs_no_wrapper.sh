#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# Podman with our hooks where our manual puts them, and no option: a container is
# known by its id from its start to its end, by nothing its user said, and by what
# a node agent adds.
. "$(dirname "$0")/common.sh"

HOOKS=

# Podman with all it keeps below our directory.
podman_is() {
    (export CONTAINERS_CONF=$OCI_DIR/containers.conf \
        CONTAINERS_STORAGE_CONF=$OCI_DIR/storage.conf XDG_RUNTIME_DIR=
    oci_become podman --root "$OCI_DIR/graph" --runroot "$OCI_DIR/run" \
        --tmpdir "$OCI_DIR/libpod" --storage-driver vfs \
        --cgroup-manager cgroupfs --events-backend none \
        --runtime "$OCI_PATH" "$@")
}

# podman_start NAME OPTION...: its id is in PODMAN_ID
podman_start() {
    local name=$1
    shift
    PODMAN_ID=$(podman_is run --detach --name "$name" --network none --user 2001:3001 \
        --cgroup-parent "/${SB_CG##*/}/pods" --security-opt label=disable \
        --security-opt seccomp=unconfined --security-opt apparmor=unconfined \
        --read-only --no-hosts --ulimit nofile=512:512 \
        --ulimit nproc=512:512 --pids-limit 0 --log-driver none "$@" \
        --rootfs "$OCI_DIR/rootfs" /bin/busybox sleep 600 2>"$OCI_DIR/said") ||
        die "podman run $name: $(<"$OCI_DIR/said")"
}

podman_get() {
    podman_is exec "$1" /bin/busybox wget -q -S -O /dev/null \
        --header 'Metadata: true' --header "x-client-id: $1" \
        "http://$IMDS/metadata/versions" >"$OCI_DIR/got" 2>&1
    oci_result "$OCI_DIR/got"
}

listed() {
    ctl --json container list |
        jq -r --arg id "$1" ".container[] | select(.id == \$id) | $2"
}

is_unlisted() {
    [[ -z $(listed "$1" .cgroup) ]]
}

# The hooks as they are installed, but for where mspctl is and what it talks to:
# in a /usr/share/containers of this mount namespace alone.
install_hooks() {
    local file share=/usr/share/containers
    HOOKS=$(sed -n 's/^ *-D -t \(.*hooks\.d\)$/\1/p' \
        "$(dirname "$0")/../../../userspace/cli/README.md")
    [[ $HOOKS == "$share"/* ]] || die "the manual installs hooks in '$HOOKS'"
    cp -r "$share" "$OCI_DIR/share"
    mount -t tmpfs tmpfs "$share" || die "no $share of our own"
    cp -r "$OCI_DIR/share/." "$share"
    rm -rf "$HOOKS"
    mkdir -p "$HOOKS"
    for file in "$MSP_BUILD"/bin/hooks.d/podman/*.json; do
        jq --arg path "$SB_DIR/bin/mspctl" --arg run "$SB_DIR/run" \
            '.hook.path = $path | .hook.args += ["--socket",
            "\($run)/control.sock", "--spool", "\($run)/spool"]' "$file" \
            >"$HOOKS/${file##*/}"
    done
    [[ -f $HOOKS/mspd-createRuntime.json ]] || die "no hooks were built"
}

sandbox_up
oci_up unified
command -v podman >/dev/null || die "podman is missing; run scripts/setup"
note "$(podman --version) with $OCI_PATH"
install_hooks
mkdir "$OCI_DIR"/{graph,run,libpod}
mount -t tmpfs tmpfs /dev/shm || die "no /dev/shm of our own" # for its locks
printf '[engine]\nno_pivot_root = %s\n' \
    "$( ((${#OCI_CREATE[@]})) && echo true || echo false)" \
    >"$OCI_DIR/containers.conf"
printf '[storage]\ndriver = "vfs"\nrunroot = "%s"\ngraphroot = "%s"\n' \
    "$OCI_DIR/run" "$OCI_DIR/graph" >"$OCI_DIR/storage.conf"
sandbox_start_sim
sandbox_start_mspd

check_eq "doctor sees the hooks where Podman looks" \
    "$(ctl --json doctor | jq -r --arg dir "$HOOKS/" '[.hooks[] |
        select(.runtime == "podman" and (.place | startswith($dir))) | .hook] |
        unique | join(" ")')" yes
push_policy "$(policy "$(item disabled allow)")"
podman_start off
check_eq "off: a container has no route" "$(podman_get off)" ENETUNREACH
podman_is rm --force --time 0 off >/dev/null 2>&1
push_policy "$(policy "$(item enforce deny "$(rules /metadata \
    '"container":{"name":"web","labels":{"app":"web"}}')")")"
journal_mark
podman_start web --label app=web \
    --annotation io.kubernetes.cri.container-name=web \
    --annotation io.kubernetes.container.name=web
id=$PODMAN_ID
podman_start other
other=$PODMAN_ID
check_eq "it is registered by its id" "$(listed "$id" .runtime)" podman
check_eq "with the cgroup of its first process" "$(listed "$id" .cgroup)" \
    "$(sed -n 's/^0:://p' "/proc/$(podman_is inspect \
        --format '{{.State.Pid}}' web)/cgroup")"
check_eq "and nothing its user wrote" "$(listed "$id" .name)" null
check_eq "it has no right" "$(podman_get web)" EPERM
check "a node agent says what it is" ctl container update --id "$id" \
    --name web --label app=web --image example.net/web:1
check_eq "what the hook told stays" "$(listed "$id" .runtime)" podman
check_eq "it is served" "$(podman_get web)" 200
check_eq "signed" "$(journal | jq -r '.client_id + " " + .signed')" "web valid"
check_eq "its neighbour is not" "$(podman_get other)" EPERM
check "it ends" podman_is rm --force --time 0 web
check "and is forgotten" until_true 10 is_unlisted "$id"
check_eq "the other is not" "$(listed "$other" .runtime)" podman
podman_is rm --force --time 0 other >/dev/null 2>&1
sandbox_done
