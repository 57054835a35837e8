#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# With --fd-guard a connection to an endpoint is written to by its maker alone:
# same user, same container. Whoever else got the socket gets EACCES, however
# he got it and however he writes. Without it each of these is served. What
# cannot be guarded is refused; the guard outlives mspd and goes with detach.
. "$(dirname "$0")/../../harness/sandbox.sh"

MAKER=2001:2001
TO=$IMDS:80
SOCKS_MAX=16384
SHARE=1024 # of one payer
ways=(send write writev sendmsg oob splice sendfile zerocopy aio uring
    uring-async uring-write uring-poll)
whos=(uid pidns root drop)

pass() {
    run_as 0:0 vm fdpass pass "$1" "$2" "$3" "$TO"
}

# every WHEN OTHERS MAKER: what others get, and what the maker himself does
every() {
    local way who
    for way in "${ways[@]}"; do
        check_eq "$1: $way by the maker" "$(pass inherit same "$way")" "$3"
        check_eq "$1: $way by another user" "$(pass scm uid "$way")" "$2"
    done
    for who in "${whos[@]}"; do
        check_eq "$1: inherited, $who" "$(pass inherit "$who" send)" "$2"
    done
    check_eq "$1: same user, handed over" "$(pass scm same send)" "$3"
    check_eq "$1: same user of another pid namespace" \
        "$(pass scm pidns write)" "$2"
    check_eq "$1: same user of another root" "$(pass scm root write)" "$2"
}

# steps STEPS...: the status; EOF: closed, before the request or after it
steps() {
    run_as "$MAKER" vm mspclient steps "$@" request=/metadata/versions |
        steps_result | sed 's/EPIPE/EOF/'
}

state() {
    ctl --json status | jq -r .fd_guard
}

stat_of() {
    ctl --json status | jq --arg n "$1" '.stats[] | select(.name == $n) | .value'
}

tree() {
    echo "$SB_DIR"/bpf/mspd/layout-*
}

guarded() {
    bpftool -j map dump pinned "$(tree)/maps/msp_fd_socks" |
        jq length
}

none_guarded() {
    [[ $(guarded) == 0 ]]
}

none_pending() {
    [[ $(mapfill pending "$(tree)/maps/msp_pending") == 0 ]]
}

RULES=$(rules /metadata/versions '"uid":2001')
ENFORCE=$(policy "$(item enforce deny "$RULES")")

# Not the one before, which drains.
proxy_pid() {
    ctl --json status | jq '.processes[] | select(.name == "mspd-proxy") | .pid'
}

early() {
    local proxy client
    proxy=$(proxy_pid)
    rm -f "$SB_DIR/tmp/early"
    kill -STOP "$proxy"
    spawn_as "$MAKER" vm mspclient load --id fill --to "$TO" --count 100 \
        --parallel 100 --target /metadata/versions >/dev/null
    client=$SB_LAST
    until_true 5 is_full || die "the backlog is not full"
    spawn_as 0:0 vm fdpass pass early uid send "$TO" >"$SB_DIR/tmp/early"
    until_true 5 grep -q early "$SB_DIR/tmp/early" || die "no early writer"
    until_true 5 waits_in_send "$SB_LAST" || die "it does not wait"
    kill -KILL "$client"
    kill -CONT "$proxy"
    wait "$SB_LAST"
    tail -n 1 "$SB_DIR/tmp/early"
}

blocked() {
    local proxy
    proxy=$(proxy_pid)
    kill -STOP "$proxy"
    spawn_as 0:0 vm fdpass blocked "$TO" >"$SB_DIR/tmp/blocked"
    until_true 5 grep -q blocked "$SB_DIR/tmp/blocked" || die "not blocked"
    kill -CONT "$proxy"
    wait "$SB_LAST"
    tail -n 1 "$SB_DIR/tmp/blocked"
}

# More were refused a place than are there: the next SYN is dropped.
is_full() {
    [[ $(in_ns vm ss -Htn state syn-sent) ]]
}

# The child of fdpass, which sleeps in its write.
waits_in_send() {
    local child
    child=$(pgrep -P "$1")
    [[ $child && $(<"/proc/$child/syscall") == "44 "* ]]
}

sandbox_up
make_netns c1
in_ns vm sysctl -q net.core.somaxconn=64 net.ipv4.tcp_syncookies=0 \
    net.ipv4.tcp_fastopen=$((0x603))
sandbox_start_sim
sim_mode imds=off

# --- off -----------------------------------------------------------------------
sandbox_start_mspd
push_policy "$ENFORCE"
check_eq "off: status says so" "$(state)" off
check_eq "off: another user himself" \
    "$(ask mspclient 12345:12345 vm "$TO" /metadata/versions x)" EPERM
every off 200 200
check_eq "off: another user reads" "$(run_as 0:0 vm fdpass read "$TO")" 200
check_eq "off: a ring of the maker's, and a write beside it" \
    "$(run_as 0:0 vm fdpass ring "$TO")" "ok ok 200"
check_eq "off: written to before it is made" "$(early)" 200
check_eq "off: after a write that had to wait" "$(blocked)" ok
check_eq "off: a send without copy" "$(pass inherit uid uring-zc)" 200
check_eq "off: MPTCP" "$(steps socket=mptcp "connect=$TO")" 200
for try in first second; do
    check_eq "off: data in the SYN, $try" "$(steps "fastopen=$TO")" 200
done
check_eq "off: nothing is guarded" "$(guarded)" 0

# --- on --------------------------------------------------------------------------
sandbox_stop_mspd
sandbox_start_mspd --fd-guard
check_eq "on: status says so" "$(state)" on
before=$(stat_of fd-denied)
every on EACCES 200
check_eq "on: each of these is counted" "$(($(stat_of fd-denied) - before))" \
    $((${#ways[@]} + ${#whos[@]} + 2))
has_reason() {
    [[ $(audit_rows '.reason == "passed-socket" and .uid == 12345 and
        .endpoint == "imds"') ]]
}
check "on: the audit says who" has_reason
check "on: the connection log as well" log_wait 1 '.reason == "passed-socket"'
check "on: an entry goes with its socket" until_true 5 none_guarded

# what it cannot stop
check_eq "on: another user reads" "$(run_as 0:0 vm fdpass read "$TO")" 200
check_eq "on: a ring writes as its maker" \
    "$(pass inherit same uring-poll)" 200
check_eq "on: who writes beside it does not, and ends it for all" \
    "$(run_as 0:0 vm fdpass ring "$TO")" "ok EACCES EACCES"
# Linux 6.1 keeps the verdict of a write that found no room for the next one
LET_PAST=EACCES
[[ $(uname -r) != 6.1.* ]] || LET_PAST=ok
check_eq "on: after a write that had to wait" "$(blocked)" "$LET_PAST"

# what it cannot have
check_eq "on: a send without copy has no such guard" \
    "$(pass inherit same uring-zc) $(pass inherit uid uring-zc)" \
    "EOPNOTSUPP EOPNOTSUPP"
before=$(stat_of fd-unguarded)
check_eq "on: written to before it is made" "$(early)" eof
check_eq "on: MPTCP" "$(steps socket=mptcp "connect=$TO")" EOF
check_eq "on: data in the SYN" "$(steps "fastopen=$TO")" EOF
check_eq "on: each of these is counted" \
    "$(($(stat_of fd-unguarded) - before))" 3
# one socket has many entries only while the map has no program
bpftool prog detach pinned "$(tree)/progs/msp_fd_guard" \
    sk_msg_verdict pinned "$(tree)/maps/msp_fd_socks"
check_eq "taken off by somebody: status says so" \
    "$(state) $(ctl --json status | jq -r .state)" "removed degraded"
spawn_as 0:0 vm fdpass fill "$(tree)/maps/msp_fd_socks" >"$SB_DIR/tmp/fill"
filler=$SB_LAST
check "on: filled" until_true 20 grep -qx "$SOCKS_MAX E2BIG" "$SB_DIR/tmp/fill"
sandbox_stop_mspd
sandbox_start_mspd --fd-guard
check_eq "started anew it is on" "$(state)" on
check_eq "on: full: nobody is served" "$(pass inherit same send)" eof
push_policy "$(policy "$(item audit deny)")"
check_eq "on: full: in audit everybody is" "$(pass inherit uid send)" 200
push_policy "$ENFORCE"
kill -KILL "$filler"
wait "$filler" 2>/dev/null
check "on: the entries went with the socket" until_true 5 none_guarded
check_eq "on: with room again" "$(pass inherit same send)" 200

# one payer cannot take all of it
check "a listener in c1" ctl netns add "$SB_DIR/ns/c1"
spawn_as 0:0 vm fdpass hold $((SHARE + 50)) "$TO" >"$SB_DIR/tmp/hold"
holder=$SB_LAST
check "on: more connections than a payer's share" until_true 60 \
    grep -q held "$SB_DIR/tmp/hold"
n=$(guarded)
check "on: $n of them are guarded" test "$n" -le $SHARE -a "$n" -gt $((SHARE - 50))
check_eq "on: one more gets nothing" "$(pass inherit same send)" eof
client_cgroup c1
check_eq "on: in another namespace he does" \
    "$(run_as 0:0 c1 fdpass pass inherit same send "$TO")" 200
SB_CLIENT_CG=work
kill -KILL "$holder"
wait "$holder" 2>/dev/null
check "on: they all went" until_true 10 none_guarded

# who sends his SYN long after his connect has no mark: nothing is guarded, and
# nothing counted that nobody would count down
# shellcheck disable=SC2016
run_as "$MAKER" vm python3 -c '
import socket, time
held = []
for i in range(20):
    s = socket.socket()
    s.settimeout(1)
    s.setsockopt(socket.IPPROTO_TCP, 30, 1)  # TCP_FASTOPEN_CONNECT
    s.setsockopt(socket.IPPROTO_TCP, 34, 1)  # TCP_FASTOPEN_NO_COOKIE
    s.connect(("169.254.169.254", 80))
    held.append(s)
time.sleep(5.2)
for s in held:
    try:
        s.send(b"GET / HTTP/1.0")
        s.recv(1)
    except OSError:
        pass
    s.close()
'
check "on: late ones are not counted for good" until_true 10 none_pending
check "on: and none is counted any more" until_true 10 none_pending
check_eq "on: with its share again" "$(pass inherit same send)" 200

push_policy "$(policy "$(item audit deny)")"
check_eq "on: in audit nobody is denied" "$(pass inherit uid send)" 200
push_policy "$ENFORCE"

# --- without mspd, and its way out --------------------------------------------------
sandbox_stop_mspd KILL
sandbox_start_mspd --fd-guard
check_eq "killed and restarted" "$(state) $(pass inherit uid send)" "on EACCES"
sandbox_stop_mspd
sandbox_start_mspd
check_eq "started without it" "$(state) $(pass inherit uid send)" "off 200"
ID=$(bpftool -j prog show pinned "$(tree)/progs/msp_fd_guard" | jq .id)
is_there() {
    bpftool prog show id "$ID" >/dev/null 2>&1
}
is_program_gone() {
    ! is_there
}
check "its program is there" is_there
check "detach" ctl detach --yes
check "detached: the program is gone" until_true 10 is_program_gone
sandbox_done
