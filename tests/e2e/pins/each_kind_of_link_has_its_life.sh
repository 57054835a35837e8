#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# Links are made in order, what denies last. A new mspd exchanges the programs
# under those at the cgroup, expecting the ones it knows, and puts new links of
# tracepoints beside the old ones before these go: nobody is let through at any
# moment. Somebody else's program under one of them is named, not replaced.
. "$(dirname "$0")/../../harness/sandbox.sh"

USER=2001:3001
LINKS=
# tracepoints and those at the cgroup; LSM has others, where the kernel has LSM
AT_CGROUP='sockops|egress|[a-z]+[46]'

# "name link-id program-id" of each link
links() {
    local link
    for link in "$LINKS"/*; do
        bpftool -j link show pinned "$link" |
            jq -r --arg name "${link##*/}" '"\($name) \(.id) \(.prog_id)"'
    done
}

# Of what `links` said before ($1) and says now: names whose FIELD is the same
same() {
    join <(sort <<<"$1") <(links | sort) | awk -v a="$2" -v b="$(($2 + 2))" \
        '$a == $b { print $1 }' | sort | tr '\n' ' '
}

names() { # PATTERN
    links | cut -d' ' -f1 | grep -E "$1" | sort | tr '\n' ' '
}

# link_update LINK PROGRAM: as a rival would, whatever runs there now
link_update() {
    python3 - "$1" "$2" <<'EOF'
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
def bpf(cmd, data):
    attr = ctypes.create_string_buffer(data, 128)
    r = libc.syscall(321, cmd, attr, 128)
    if r < 0:
        sys.exit(os.strerror(ctypes.get_errno()))
    return r
def get(path):
    name = ctypes.create_string_buffer(path.encode())
    return bpf(7, struct.pack("Q", ctypes.addressof(name)))  # OBJ_GET
bpf(29, struct.pack("III", get(sys.argv[1]), get(sys.argv[2]), 0))
EOF
}

denied() {
    check_eq "$1: the user is denied" "$(SB_MAX_TIME=2 http_code "$USER" vm \
        "http://$IMDS/metadata/versions")" EPERM
}

in_order() {
    check_eq "links were made in order" \
        "$(links | sort -n -k2 | cut -d' ' -f1 | grep -E "^msp_(on_.*|$AT_CGROUP)\$" |
            sed 's/msp_on_.*/msp_on/' | uniq | tr '\n' ' ')" \
        "msp_on msp_sockops msp_bind4 msp_bind6 msp_peername4 msp_peername6 \
msp_egress msp_sendmsg4 msp_sendmsg6 msp_connect6 msp_connect4 "
}

# A client that connects all the time and counts what let it through.
ask_all_the_time() {
    spawn_as "$USER" vm /usr/bin/python3 -c '
import socket, sys, time
n = passed = 0
end = time.monotonic() + float(sys.argv[2])
while time.monotonic() < end and not passed:
    s = socket.socket()
    s.settimeout(2)
    try:
        s.connect((sys.argv[1], 80))
        passed += 1
    except PermissionError:
        n += 1
    s.close()
print(n, passed)' "$IMDS" "$((6 * ${MSP_SLOW:-1}))" >"$SB_DIR/tmp/asked"
    ASKS=$SB_LAST
}

restarted() {
    local before
    before=$(links)
    sandbox_stop_mspd "$1"
    sandbox_start_mspd
    check_eq "$1: links at the cgroup are the same" "$(same "$before" 2)" \
        "$(names "^msp_($AT_CGROUP)\$")"
    check_eq "$1: none runs the program it ran" "$(same "$before" 3)" ""
    check_eq "$1: links of tracepoints are others" \
        "$(names msp_on_ | wc -w)" 5
    check_eq "$1: as many as before" "$(links | wc -l)" "$(wc -l <<<"$before")"
    check "$1: no pin is left over" test -z "$(compgen -G "$LINKS/*-new")"
}

# The program of a link by a rival's: bpf_link_update without an expectation.
exchanged() {
    local pin=$LINKS/msp_connect4
    bpftool prog loadall "$MSP_BUILD/bin/tests/foreign.bpf" \
        "$SB_DIR/bpf/foreign" || die "cannot load the programs of others"
    link_update "$pin" "$SB_DIR/bpf/foreign/vip_connect4" ||
        die "cannot exchange the program"
    check_eq "exchanged: status names the gap" \
        "$(ctl --json status | jq -c '.gaps | map([.cgroup, .program])')" \
        '[["/","msp_connect4"]]'
    check_eq "exchanged: and who runs there" \
        "$(ctl --json status | jq -c '.foreign | map([.name, .judged])')" \
        '[["vip_connect4",false]]'
    check_eq "exchanged: and is degraded" \
        "$(ctl --json status | jq -r .state)" degraded
    sandbox_stop_mspd
    : >"$SB_DIR/mspd.log"
    (sandbox_start_mspd) >"$SB_DIR/tmp/start" 2>&1
    check "exchanged: a new mspd refuses" grep -q \
        'link msp_connect4 runs a program that is not pinned' "$SB_DIR/mspd.log"
    check "exchanged: and leaves it" test \
        "$(bpftool -j link show pinned "$pin" | jq .prog_id)" == \
        "$(bpftool -j prog show pinned "$SB_DIR/bpf/foreign/vip_connect4" |
            jq .id)"
    link_update "$pin" "${LINKS%/links}/progs/msp_connect4" ||
        die "cannot put it back"
    sandbox_start_mspd
    check_eq "exchanged: put back, all is well" \
        "$(ctl --json status | jq -r '"\(.state) \(.gaps)"')" "ok null"
    denied "put back"
}

sandbox_up
sandbox_start_sim
sandbox_start_mspd
push_policy "$(policy "$(item disabled deny)")"
sim_mode imds=off
check_eq "off: the host answers" "$(http_code "$USER" vm \
    "http://$IMDS/metadata/versions")" 200
push_policy "$(policy "$(item enforce deny)")"
LINKS=$(echo "$SB_DIR"/bpf/mspd/layout-*/links)

in_order
ask_all_the_time
restarted KILL
restarted TERM
wait "$ASKS"
read -r n passed <"$SB_DIR/tmp/asked"
note "connects meanwhile: $n"
check_eq "nobody was let through meanwhile" "$passed" 0
check "and somebody tried" test "$n" -gt 100
exchanged
sandbox_done
