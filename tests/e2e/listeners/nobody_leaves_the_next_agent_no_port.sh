#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# A user of the host's network tries, all the time, to listen at each port that
# an agent could have. He has none of them as long as ours is there, nor when it
# was killed or stopped, so the next one serves.
. "$(dirname "$0")/../../harness/sandbox.sh"
. "$(dirname "$0")/common.sh"

SQUATTER='
import socket, time
print("begins", flush=True)
while True:
    for port in range(61080, 61100):
        s = socket.socket()
        try:
            s.bind(("127.0.0.1", port))
            s.listen(8)
        except OSError:
            s.close()
            continue
        globals()[f"held_{port}"] = s
        print("has", port, flush=True)
    time.sleep(0.001)
'

served() {
    [[ $(http_code "$USER:3001" vm "http://$IMDS/metadata/versions") == 200 ]]
}

sandbox_up
sandbox_start_sim
sandbox_start_mspd
allow_user
check "served" served
(exec_as 3002:5002 vm /usr/bin/python3 -c "$SQUATTER" \
    >"$SB_DIR/tmp/squatter") &
SB_PIDS+=("$!")
check "somebody wants all ports" until_true 5 test -s "$SB_DIR/tmp/squatter"
for how in KILL TERM; do
    sandbox_stop_mspd "$how"
    sandbox_start_mspd
    check "$how: the next one serves" until_true 5 served
done
check_eq "he has none" "$(grep -c has "$SB_DIR/tmp/squatter")" 0
sandbox_done
