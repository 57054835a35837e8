#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# No endpoint speaks UDP or UDPLITE: in enforce nothing of theirs goes to its
# address and port, connected or not, by whatever socket and whoever asks.
# Other ports and addresses, DNS among them, are free. Each is first sent with
# enforcement off.
. "$(dirname "$0")/../../harness/sandbox.sh"


# shoot SOCKET HOW ADDRESS PORT: "sent", or the errno of the step that failed
write_shooter() {
    cat >"$1" <<'END'
import errno
import socket
import sys

kind, how, address, port = sys.argv[1:]
family = socket.AF_INET6 if kind.endswith("6") else socket.AF_INET
proto = 136 if kind.startswith("lite") else 0
with socket.socket(family, socket.SOCK_DGRAM, proto) as s:
    try:
        if how == "connect":
            s.connect((address, int(port)))
            s.send(b"ping")
        else:
            s.sendto(b"ping", (address, int(port)))
    except OSError as e:
        print(errno.errorcode[e.errno])
    else:
        print("sent")
END
}

shots=(
    "udp sendto $IMDS 80"
    "udp connect $IMDS 80"
    "udp6 sendto ::ffff:$IMDS 80"
    "udp6 connect ::ffff:$IMDS 80"
    "udp sendto $WIRE 32526"
    "lite sendto $IMDS 80"
    "lite connect $IMDS 80"
    "lite6 sendto ::ffff:$IMDS 80"
)
free=(
    "udp sendto $IMDS 53"
    "udp sendto $WIRE 53"
    "udp connect $WIRE 53"
    "udp sendto $WIRE 67"
    "lite sendto $IMDS 53"
    "udp6 sendto ::ffff:$WIRE 53"
    "udp sendto 10.97.0.1 80"
)

# volley WHEN WHO WANTED SHOTS...
volley() {
    local when=$1 who=$2 wanted=$3 shot
    shift 3
    for shot in "$@"; do
        # shellcheck disable=SC2086
        check_eq "$when: $shot" \
            "$(run_as "$who" vm python3 "$SHOOT" $shot)" "$wanted"
    done
}

sandbox_up
SHOOT=$SB_DIR/tmp/shoot.py
write_shooter "$SHOOT"
sandbox_start_sim
sandbox_start_mspd
push_policy "$(policy "$(item disabled allow)" "$(item disabled allow)" \
    "$(item disabled allow)")"
volley off 2001:3001 sent "${shots[@]}" "${free[@]}"
push_policy "$(policy "$(item audit deny)" "$(item audit deny)" \
    "$(item audit deny)")"
volley audit 2001:3001 sent "${shots[@]}" "${free[@]}"
push_policy "$(policy "$(item enforce allow)" "$(item enforce allow)" \
    "$(item enforce allow)")"
volley "enforced, a user" 2001:3001 EPERM "${shots[@]}"
volley "enforced, root" 0:0 EPERM "${shots[@]}"
volley enforced 2001:3001 sent "${free[@]}"
has_reason() {
    ctl --json audit | jq -e '[.audit[] | select(.reason == "datagram")] |
        length > 0'
}
check "the audit says why" has_reason
sandbox_stop_mspd KILL
volley "mspd killed" 2001:3001 EPERM "${shots[@]}"
sandbox_done
