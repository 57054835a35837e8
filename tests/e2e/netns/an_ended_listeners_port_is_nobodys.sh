#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# Somebody had bound the agent's port before it, and root of the namespace ends
# the agent's listener (SOCK_DESTROY) and has him listen there before the agent
# does again: no connect of anybody is led to him, then or later. The agent takes
# another port and serves.
. "$(dirname "$0")/../../harness/sandbox.sh"

USER=2001:3001
URL=http://$IMDS/metadata/versions

# Binds the port beside others; listens there once it reads a line.
SQUATTER='
import socket, sys
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(sys.argv[1])))
print("bound", flush=True)
sys.stdin.readline()
s.listen(8)
print("listens", flush=True)
while True:
    s.accept()[0].close()
    print("caught", flush=True)
'

says() {
    grep -qx "$1" "$SB_DIR/tmp/squatter"
}

served() {
    [[ $(http_code "$USER" "$1" "$URL") == 200 ]]
}

port_of_c1() {
    ctl --json netns list | jq -r '.netns[] | select(.own | not) | .port'
}

end_it() {
    run_as 0:0 c1 ss -KH state listening "sport = :$1" >"$SB_DIR/tmp/ended" \
        2>/dev/null
    grep -q ":$1" "$SB_DIR/tmp/ended"
}

# squat NETNS PORT
squat() {
    mkfifo "$SB_DIR/tmp/say"
    (exec_as 3002:5002 "$1" /usr/bin/python3 -c "$SQUATTER" "$2" \
        <"$SB_DIR/tmp/say" >"$SB_DIR/tmp/squatter") &
    SB_PIDS+=("$!")
    exec {say}>"$SB_DIR/tmp/say"
    until_true 5 says bound
}

sandbox_up
sandbox_start_sim
sandbox_start_mspd
make_netns c1
check "somebody has bound the port" squat c1 61080
check "a listener in the namespace" ctl netns add "$SB_DIR/ns/c1"
push_policy "$(policy "$(item enforce allow)")"
check_eq "it has that port" "$(port_of_c1)" 61080
check "it serves" served c1

kill -STOP "$SB_MSPD" # so that it does not come first
end_it 61080 || skip "SOCK_DESTROY"
echo >&"$say"
check "he listens there" until_true 5 says listens
kill -CONT "$SB_MSPD"
for n in 1 2 3; do
    got=$(SB_MAX_TIME=2 http_code "$USER" c1 "$URL")
    check "connect $n is not led to him: $got" eval '! says caught'
done
check "served again" until_true 10 served c1
check "at another port" test "$(port_of_c1)" != 61080
check "he got nothing" eval '! says caught'
check "others are served" served vm
check_eq "nothing unsigned" "$(journal_count '.signed != "valid"')" 0
sandbox_done
