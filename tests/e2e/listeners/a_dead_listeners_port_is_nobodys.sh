#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# mspd and the proxy are killed, and their row stays. Who had bound the port
# before they had it, beside them, may listen there now: whatever address and
# protocol he took, no connect of anybody is led to him. A new mspd takes the
# next port and serves.
. "$(dirname "$0")/../../harness/sandbox.sh"
. "$(dirname "$0")/common.sh"

# Binds each PORT=ADDRESS[,mptcp] it is given; listens at those it reads.
SQUATTER='
import socket, sys, threading
def collect(s, port):
    while True:
        s.accept()[0].close()
        print("caught", port, flush=True)
bound = {}
for word in sys.argv[1:]:
    port, how = word.split("=")
    addr, _, mptcp = how.partition(",")
    s = socket.socket(socket.AF_INET6 if ":" in addr else socket.AF_INET,
                      socket.SOCK_STREAM, 262 if mptcp else 0)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((addr, int(port)))
    bound[port] = s
print("bound", flush=True)
for line in sys.stdin:
    port = line.strip()
    bound[port].listen(8)
    threading.Thread(target=collect, args=(bound[port], port),
                     daemon=True).start()
    print("listens", port, flush=True)
'

says() {
    grep -qx "$1" "$SB_DIR/tmp/squatter"
}

kill_both() {
    local proxy
    proxy=$(child_pid mspd-proxy)
    sandbox_stop_mspd KILL
    kill -KILL "$proxy" 2>/dev/null
    until_true 5 is_gone "$proxy"
}

get() {
    ask curl "$1" vm "$IMDS:80" /metadata/versions "$1"
}

sandbox_up
sandbox_start_sim
mkfifo "$SB_DIR/tmp/say"
at=("61080=127.0.0.1" "61081=0.0.0.0" "61082=::" "61083=::ffff:127.0.0.1")
# without MPTCP it is one way less, not another result
in_ns vm test -e /proc/sys/net/mptcp && at+=("61084=127.0.0.1,mptcp")
(exec_as 3002:5002 vm /usr/bin/python3 -c "$SQUATTER" "${at[@]}" \
    <"$SB_DIR/tmp/say" >"$SB_DIR/tmp/squatter") &
SB_PIDS+=("$!")
exec {say}>"$SB_DIR/tmp/say"
check "somebody has bound them all" until_true 5 says bound

for word in "${at[@]}"; do
    port=${word%%=*}
    sandbox_start_mspd
    allow_user
    check_eq "$word: mspd has taken it" "$(listener_port)" "$port"
    check_eq "served" "$(get "$USER:3001")" 200
    kill_both
    check_eq "killed: its row says it still" "$(rows)" 1xREADY
    echo "$port" >&"$say"
    check "he listens" until_true 5 says "listens $port"
    for who in 0:0 $USER:3001; do
        got=$(get "$who")
        check "$who is not served: $got" test "$got" != 200
    done
    check "and not led to him" eval "! says 'caught $port'"
done
sandbox_start_mspd
allow_user
check_eq "a new mspd serves" "$(get "$USER:3001")" 200
check_eq "how often a row was taken away is counted" "$(ctl --json status |
    jq '[.stats[] | select(.name == "listener-foreign") | .value] | add // 0')" \
    "${#at[@]}"
sandbox_done
