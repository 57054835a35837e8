#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# However a socket comes to its connection, the verdict is that of a plain
# connect(), and the mark is the caller's: IPv4-mapped, Fast Open by sendto()
# and deferred, MPTCP, io_uring in its three ways, non-blocking, bound, used
# before, made before mspd was there, raced for by two threads.
. "$(dirname "$0")/../../harness/sandbox.sh"

ALLOWED=2001:3001
DENIED=2002:3002
V4=$IMDS:80
MAPPED=[::ffff:$IMDS]:80

# NAME | steps up to the request
ways=(
    "plain|connect=$V4"
    "mapped|socket=tcp6 connect=$MAPPED"
    "mapped, IPV6_V6ONLY off|socket=tcp6 v6only=0 connect=$MAPPED"
    "non-blocking|nonblock connect=$V4 finish"
    "Fast Open by sendto|fastopen=$V4"
    "Fast Open by sendto, mapped|socket=tcp6 fastopen=$MAPPED"
    "Fast Open deferred|deferred=$V4"
    "Fast Open deferred, mapped|socket=tcp6 deferred=$MAPPED"
    "MPTCP|socket=mptcp connect=$V4"
    "MPTCP, mapped|socket=mptcp6 connect=$MAPPED"
    "io_uring|uring=$V4"
    "io_uring, worker thread|uring-async=$V4"
    "io_uring, poll thread|uring-poll=$V4"
    "io_uring, mapped|socket=tcp6 uring=$MAPPED"
    "bound port|bind=0.0.0.0:40001 connect=$V4"
    "bound address|bind=10.97.0.2:0 connect=$V4"
    "bound address and port|bind=10.97.0.2:40002 connect=$V4"
    "bound mapped address|socket=tcp6 bind=[::ffff:10.97.0.2]:40003 connect=$MAPPED"
    "bound to any IPv6 address|socket=tcp6 bind=[::]:40004 connect=$MAPPED"
    "used before|connect=10.97.0.1:9999 unspec connect=$V4"
    "used before for the same|connect=$V4 unspec connect=$V4"
    "two threads|threads=$V4"
)

# The first step that failed, else the answer's status.
walk() {
    local who=$1 id=$2
    shift 2
    run_as "$who" vm mspclient steps "header=x-client-id: $id" linger0 "$@" \
        "request=/metadata/versions?way=$id" close |
        jq -rs 'map(select(.step != "close" and .result != "ok" and
            .result != "EINPROGRESS" and .arg != "10.97.0.1:9999")) as $bad |
            if $bad | length > 0 then $bad[0].result else
            map(select(.status)) | last | .status end'
}

# Requests with this id as the host saw them.
seen() {
    journal | jq -r --arg id "$1" 'select(.client_id == $id) |
        "\(.signed) \(.is_root)"' | paste -sd,
}

# The caller that the mark of the request named, from the connection log.
marked() {
    log_wait 1 ".stage == \"request\" and (.target | endswith(\"way=$1\"))"
    log_lines ".stage == \"request\" and (.target | endswith(\"way=$1\"))" |
        jq -r '"\(.uid) \(.verdict)"' | paste -sd,
}

sandbox_up
# data in the SYN, without a cookie, for every listener
in_ns vm sysctl -q net.ipv4.tcp_fastopen=1543
in_ns sim sysctl -q net.ipv4.tcp_fastopen=1543
sandbox_start_sim
sim_mode imds=off

# A socket of each caller made before anything is attached.
for who in "$ALLOWED" "$DENIED"; do
    spawn_as "$who" vm mspclient steps "header=x-client-id: old-$who" \
        "until=$SB_DIR/tmp/go" "connect=$V4" \
        "request=/metadata/versions?way=old-$who" >"$SB_DIR/tmp/old-$who"
    eval "old_${who%:*}=$SB_LAST"
done
sandbox_start_mspd
push_policy "$(policy "$(item disabled allow)")"
n=0
for way in "${ways[@]}"; do
    n=$((n + 1))
    read -ra steps <<<"${way#*|}"
    for who in "$ALLOWED" "$DENIED"; do
        check_eq "off: ${way%%|*}: ${who%:*} is served" \
            "$(walk "$who" "off-$n-${who%:*}" "${steps[@]}")" 200
        check_eq "off: ${way%%|*}: ${who%:*} reaches the host as it is" \
            "$(seen "off-$n-${who%:*}")" "none null"
    done
done

push_policy "$(policy "$(item enforce deny \
    "$(rules /metadata/versions '"uid":2001')")")"
n=0
for way in "${ways[@]}"; do
    n=$((n + 1))
    read -ra steps <<<"${way#*|}"
    check_eq "${way%%|*}: allowed" \
        "$(walk "$ALLOWED" "on-$n" "${steps[@]}")" 200
    check_eq "${way%%|*}: signed for the caller" "$(seen "on-$n")" \
        "valid false"
    check_eq "${way%%|*}: marked as the caller" "$(marked "on-$n")" \
        "2001 allow"
    check_eq "${way%%|*}: denied" \
        "$(walk "$DENIED" "no-$n" "${steps[@]}")" EPERM
    check_eq "${way%%|*}: nothing of the denied reaches the host" \
        "$(seen "no-$n")" ""
done

# --- made before ------------------------------------------------------------
touch "$SB_DIR/tmp/go"
# shellcheck disable=SC2154
wait "$old_2001" "$old_2002"
check_eq "a socket older than mspd: allowed" \
    "$(jq -r 'select(.step == "request") | .status' \
        "$SB_DIR/tmp/old-$ALLOWED") $(marked "old-$ALLOWED")" "200 2001 allow"
check_eq "a socket older than mspd: denied" \
    "$(jq -r 'select(.step == "connect") | .result' "$SB_DIR/tmp/old-$DENIED")" \
    EPERM

egress_denied() {
    ctl --json status | jq '.stats[] | select(.name == "egress-denied") | .value'
}

fast_opened() {
    in_ns "$1" nstat -asz TcpExtTCPFastOpenPassive |
        awk '/Passive/ { print $2 }'
}

# --- names ------------------------------------------------------------------
names() {
    run_as "$ALLOWED" vm mspclient steps linger0 "$@" |
        jq -r 'select(.addr) | "\(.step) \(.addr) \(.port)"' | paste -sd,
}
check_eq "getpeername says what was asked for" \
    "$(names "connect=$V4" peer)" "peer $IMDS 80"
check_eq "mapped too" "$(names socket=tcp6 "connect=$MAPPED" peer)" \
    "peer ::ffff:$IMDS 80"
check_eq "getsockname says what was bound" \
    "$(names bind=10.97.0.2:40010 "connect=$V4" port peer)" \
    "port 10.97.0.2 40010,peer $IMDS 80"
check_eq "mapped too" \
    "$(names socket=tcp6 "bind=[::ffff:10.97.0.2]:40011" "connect=$MAPPED" \
        port peer)" \
    "port ::ffff:10.97.0.2 40011,peer ::ffff:$IMDS 80"

# --- IPV6_V6ONLY: the kernel itself refuses mapped addresses -------------------
only=(socket=tcp6 v6only=1 "connect=$MAPPED")
check_eq "IPV6_V6ONLY: refused to the allowed as by the kernel" \
    "$(walk "$ALLOWED" only-1 "${only[@]}")" ENETUNREACH
check_eq "IPV6_V6ONLY: denied" "$(walk "$DENIED" only-2 "${only[@]}")" EPERM
check_eq "nothing the guards would have had to stop" "$(egress_denied)" 0
check "data did go with a SYN, to the listener and to the host" \
    test "$(fast_opened vm)/$(fast_opened sim)" != 0/0
check_eq "nothing unsigned since it was enforced" \
    "$(journal_count '.signed != "valid" and
        (.client_id | startswith("off-") | not)')" 0
sandbox_done
