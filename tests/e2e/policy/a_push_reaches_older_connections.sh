#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# A connection opened under one policy is judged by the policy in force when
# its request is complete: rights taken away while a body is on its way are
# gone, and after a switch to "disabled" nothing more is signed on it. One that
# is idle when the identities change is closed there and then, not at its next
# request.
. "$(dirname "$0")/../../harness/sandbox.sh"

OWNER=3001:5001
STRANGER=3002:5002

# Opens, waits until FLAG is removed, then sends; prints the status or "closed".
CLIENT='
import os, socket, sys, time
addr, flag, first, last = sys.argv[1:5]
s = socket.create_connection((addr, 80))
s.settimeout(20)
def send(text):
    s.sendall(text.encode().decode("unicode_escape").encode())
def status():
    data = b""
    while b"\r\n\r\n" not in data:
        more = s.recv(4096)
        if not more:
            break
        data += more
    return data.split()[1].decode() if data else "closed"
send(first)
if first.endswith("\\r\\n\\r\\n"):
    print(status(), flush=True)
open(flag, "w").close()
while os.path.exists(flag):
    time.sleep(0.02)
try:
    send(last)
    print(status(), flush=True)
except OSError:
    print("closed", flush=True)
'

# across WHO ADDR FIRST POLICY LAST: $got = statuses before and after the push
across() {
    local flag=$SB_DIR/tmp/flag
    rm -f "$flag"
    spawn_as "$1" vm python3 -c "$CLIENT" "$2" "$flag" "$3" "$5" \
        >"$SB_DIR/tmp/across"
    until_true 10 test -e "$flag" || die "the client did not get that far"
    push_policy "$4"
    journal_mark
    rm -f "$flag"
    wait "$SB_LAST"
    got=$(paste -sd' ' "$SB_DIR/tmp/across")
}

HEAD='Host: 169.254.169.254\r\nMetadata: true\r\n'
GET="GET /metadata/versions HTTP/1.1\r\n$HEAD\r\n"
POST="POST /metadata/versions HTTP/1.1\r\n${HEAD}Content-Length: 5\r\n\r\nab"
ALLOWED=$(policy "$(item enforce deny "$(rules /metadata/versions '"uid":3001')")")

sandbox_up
sandbox_start_sim
sandbox_start_mspd

push_policy "$ALLOWED"
CLIENT_POST=${CLIENT/first.endswith/False and first.endswith}
CLIENT=$CLIENT_POST across $OWNER $IMDS "$POST" "$ALLOWED" cde
check_eq "the same policy again: the body goes on" "$got" 405
check_eq "it reached the host signed" "$(journal | jq -r .signed)" valid
CLIENT=$CLIENT_POST across $OWNER $IMDS "$POST" "$(policy "$(item enforce \
    deny "$(rules /metadata/other '"uid":3001')")")" cde
check_eq "the path's rule moved while the body was coming" "$got" 403
check_eq "nothing reached the host" "$(journal_count)" 0
push_policy "$ALLOWED"
CLIENT=$CLIENT_POST across $OWNER $IMDS "$POST" "$(policy "$(item enforce \
    deny "$(rules /metadata/versions '"uid":3009')")")" cde
check_eq "the identity went while the body was coming" "$got" 503
check_eq "nothing reached the host then" "$(journal_count)" 0

# --- idle connections ---------------------------------------------------------
# Asks once, then waits for the end; prints the status, what came after it in
# bytes, and when it ended in seconds.
IDLE='
import socket, sys, time
addr, flag, request = sys.argv[1:4]
s = socket.create_connection((addr, 80))
s.sendall(request.encode().decode("unicode_escape").encode())
head, _, body = s.recv(65536).partition(b"\r\n\r\n")
fields = dict(line.lower().split(b": ") for line in head.split(b"\r\n")[1:])
while len(body) < int(fields[b"content-length"]):
    body += s.recv(65536)
open(flag, "w").close()
s.settimeout(20)
rest = s.recv(65536)
print(head.split()[1].decode(), len(rest), time.time())
'
prompt=0
ended=
for _ in 1 2 3 4 5 6; do
    push_policy "$ALLOWED"
    rm -f "$SB_DIR/tmp/flag"
    spawn_as $OWNER vm python3 -c "$IDLE" $IMDS "$SB_DIR/tmp/flag" "$GET" \
        >"$SB_DIR/tmp/idle"
    until_true 10 test -e "$SB_DIR/tmp/flag" || die "the client did not get that far"
    push_policy "$(policy "$(item enforce deny \
        "$(rules /metadata/versions '"uid":3009')")")"
    returned=$EPOCHREALTIME
    wait "$SB_LAST"
    read -r status rest at <"$SB_DIR/tmp/idle"
    ended+=" $status+$rest"
    prompt=$((prompt + $(jq -n "$at - $returned < 0.4 | if . then 1 else 0 end")))
done
check_eq "idle connections ended without a byte" "$ended" \
    " 200+0 200+0 200+0 200+0 200+0 200+0"
check_eq "each as soon as the push was made" $prompt 6
push_policy "$ALLOWED"
across $OWNER $IMDS "$GET" \
    "$(policy "$(item enforce allow "$(rules /metadata/versions \
        '"uid":3001')")")" "$GET"
check_eq "where only other things changed it goes on" "$got" "200 200"

# --- to disabled -------------------------------------------------------------
RULES=$(rules /metadata/versions '"uid":3001')
http() { # MODE: denials by the proxy
    policy "$(item "$1" deny "$RULES" | sed 's/^{/{"onDeny":"http",/')"
}
push_policy "$(http enforce)"
across $STRANGER $IMDS "$GET" "$(http disabled)" "$GET"
check "a denied caller's open connection: $got" \
    test "$got" = '403 503' -o "$got" = '403 closed'
check_eq "nothing of it reached the host" "$(journal_count)" 0
push_policy "$(http enforce)"
across $OWNER $IMDS "$GET" "$(http disabled)" \
    "GET /secure-channel/key HTTP/1.1\r\n$HEAD\r\n"
check "the agent's own path after disabled: $got" \
    test "$got" = '200 503' -o "$got" = '200 closed'
check_eq "it did not reach the host" "$(journal_count)" 0
sandbox_done
