#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# The files of mspd are replaced while it runs, as a package manager does it,
# and then its processes die: those of the mspd that runs are started again, not
# the new ones, which may speak to the next mspd only. A restart takes the new.
. "$(dirname "$0")/../../harness/sandbox.sh"

USER=2001:3001
OTHER=2002:3002
URL=http://$IMDS/metadata/versions
CHILDREN=(mspd-keeper mspd-proxy) # mspd ends with mspd-netns

served() {
    [[ $(http_code "$USER" vm "$URL") == 200 ]]
}

# Its pid, as status has it; nothing if it does not run.
pid_of() {
    ctl --json status | jq -r --arg name "$1" '.processes[] |
        select(.name == $name and (.state | IN("running", "ready"))) | .pid'
}

# runs_again NAME PID: and not as the one that was killed
runs_again() {
    local pid
    pid=$(pid_of "$1")
    [[ -n $pid && $pid != "$2" ]]
}

file_of() {
    stat -Lc %d:%i "/proc/$(pid_of "$1")/exe"
}

sandbox_up
sandbox_start_sim
sandbox_start_mspd
push_policy "$(policy "$(item enforce deny \
    "$(rules /metadata/versions '"uid":2001')")")"
check "the user is served" until_true 10 served

declare -A before
for name in "${CHILDREN[@]}"; do
    before[$name]=$(file_of "$name")
    printf '#!/bin/sh\nexit 1\n' >"$SB_DIR/bin/new"
    chmod 0755 "$SB_DIR/bin/new"
    cp "$SB_DIR/bin/$name" "$SB_DIR/bin/$name.next"
    mv "$SB_DIR/bin/new" "$SB_DIR/bin/$name"
done
for name in "${CHILDREN[@]}"; do
    pid=$(pid_of "$name")
    kill -KILL "$pid"
    check "$name runs again" until_true 10 runs_again "$name" "$pid"
    check_eq "$name is what it was" "$(file_of "$name")" "${before[$name]}"
    check_eq "$name is called so" "$(cat "/proc/$(pid_of "$name")/comm")" "$name"
done
check "the user is served again" until_true 10 served
check_eq "the other user is denied" "$(http_code "$OTHER" vm "$URL")" EPERM

for name in "${CHILDREN[@]}"; do
    mv "$SB_DIR/bin/$name.next" "$SB_DIR/bin/$name"
done
sandbox_stop_mspd
sandbox_start_mspd
for name in "${CHILDREN[@]}"; do
    check "$name runs" until_true 10 runs_again "$name" none
    check_eq "restarted: $name is the new one" "$(file_of "$name")" \
        "$(stat -c %d:%i "$SB_DIR/bin/$name")"
done
check "restarted: the user is served" until_true 10 served
sandbox_done
