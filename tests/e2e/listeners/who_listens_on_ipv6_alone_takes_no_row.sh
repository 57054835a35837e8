#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# Who had bound the agent's port before it, on IPv6 alone, may listen there
# beside it: IPv4 does not reach him, so nobody is led to him, and the row
# stays. Else anybody could have each first connect after it wait in vain.
. "$(dirname "$0")/../../harness/sandbox.sh"
. "$(dirname "$0")/common.sh"

# Binds the port on each ADDRESS it is given; listens at all of them when it
# reads a line.
NEIGHBOUR='
import socket, sys
bound = []
for addr in sys.argv[2:]:
    s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    s.bind((addr, int(sys.argv[1])))
    bound.append(s)
print("bound", flush=True)
sys.stdin.readline()
for s in bound:
    s.listen(8)
print("listens", flush=True)
sys.stdin.readline()
'

says() {
    grep -qx "$1" "$SB_DIR/tmp/neighbour"
}

get() {
    ask curl "$USER:3001" vm "$IMDS:80" /metadata/versions me
}

sandbox_up
sandbox_start_sim
mkfifo "$SB_DIR/tmp/say"
(exec_as 3002:5002 vm /usr/bin/python3 -c "$NEIGHBOUR" 61080 :: ::1 :: \
    <"$SB_DIR/tmp/say" >"$SB_DIR/tmp/neighbour") &
SB_PIDS+=("$!")
exec {say}>"$SB_DIR/tmp/say"
check "somebody has bound the port on IPv6" until_true 5 says bound
sandbox_start_mspd
allow_user
check_eq "mspd has taken it on IPv4" "$(listener_port)" 61080
check_eq "served" "$(get)" 200
echo >&"$say"
check "he listens, while mspd does" until_true 5 says listens
check_eq "the row stays" "$(rows)" 1xREADY
check_eq "no connect waits" "$(get)" 200
check_eq "no row was taken away" "$(ctl --json status |
    jq '[.stats[] | select(.name == "listener-foreign") | .value] | add // 0')" 0
sandbox_done
