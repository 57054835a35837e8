# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# shellcheck shell=bash
# Sockets of all kinds, by shoot.py: what each is told.
# shellcheck source=SCRIPTDIR/../../harness/sandbox.sh
. "$(dirname "$0")/../../harness/sandbox.sh"

SHOOT=$(dirname "${BASH_SOURCE[0]}")/shoot.py

# With CAP_NET_RAW, as network tools have it; and root of a container.
NET_RAW=(setpriv --reuid 2001 --regid 3001 --clear-groups --inh-caps +net_raw
    --ambient-caps +net_raw)
BOXED=(unshare --pid --fork)
export NET_RAW BOXED

# shooter NETNS PREFIX-COMMAND...: shoot.py behind the prefix
shooter() {
    local ns=$1
    shift
    (exec_in "$SB_CG/work" nsenter --net="$SB_DIR/ns/$ns" -- "$@" \
        python3 "$SHOOT")
}

# volley WHEN WANTED NETNS PREFIX... @ SHOTS...: each shot is told the same
volley() {
    local when=$1 wanted=$2 who=() said=() i
    shift 2
    while [[ $1 != @ ]]; do
        who+=("$1")
        shift
    done
    shift
    mapfile -t said < <(printf '%s\n' "$@" | shooter "${who[@]}" 2>&1)
    for ((i = 0; i < $#; i++)); do
        check_eq "$when: ${*:i+1:1}" "${said[i]:-nothing}" "$wanted"
    done
}

# The reasons of denied connects, one a line.
reasons() {
    audit_rows '.stage == "connect"' | jq -r .reason | sort -u
}
