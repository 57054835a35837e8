#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# A container holds 10,000 connections that are silent, slow, half closed, half
# open or unread, and begins those that are ended anew, 1,000 a second. Another
# container's requests, each on a connection of its own, take less than twice
# as long as before or after; the proxy's memory stays within what 512
# connections may take, the kernel's for its sockets too, whatever the sysctls
# of the container say. MSP_SLOW_CLIENTS=N for another number.
. "$(dirname "$0")/../../harness/sandbox.sh"

N=${MSP_SLOW_CLIENTS:-10000}
PORT=61080
ROUND=3000    # requests of the other container that are timed
LARGE=1000000 # bytes of an answer that is not read

# A container: a network namespace and a cgroup of its own.
container() {
    make_netns "$1"
    mkdir -p "$SB_CG/work/$1"
}

in_container() {
    SB_CLIENT_CG=work/$1 run_as "$2" "$1" "${@:3}"
}

# times FILE: one request after the other of the container `good`
times() {
    in_container good 2001:3001 mspclient load --to "$IMDS:80" --id "$1" \
        --target '/metadata/versions?x' --count "$ROUND" --parallel 1 \
        >"$SB_DIR/tmp/$1"
}

# microseconds FILE PERCENT
microseconds() {
    jq -s --argjson p "$2" 'map((.end_ns - .start_ns) / 1000) | sort |
        .[(length - 1) * $p / 100 | floor] | floor' "$SB_DIR/tmp/$1"
}

served() {
    jq -s 'map(select(.status == 200)) | length' "$SB_DIR/tmp/$1"
}

proxy_kib() {
    awk '/^Pss:/ { print $2 }' "/proc/$(child_pid mspd-proxy)/smaps_rollup"
}

# Of the proxy's sockets, toward the attacker and toward the host.
socket_kib() {
    {
        in_ns bad ss -Htanm "sport = :$PORT"
        in_ns vm ss -Htanm 'dport = :80'
    } | grep -o 'skmem:([^)]*)' |
        sed 's/[^0-9,]//g' | awk -F, '{ sum += $1 + $6 } END { print int(sum / 1024) }'
}

report_row() {
    printf '# %-28s p50 %6s us  p95 %6s us  proxy %6s KiB  sockets %7s KiB\n' \
        "$1" "$(microseconds "$2" 50)" "$(microseconds "$2" 95)" \
        "$(proxy_kib)" "$(socket_kib)"
}

# attack COUNT [OPTIONS]: a container's crowd begins
attack() {
    rm -f "$SB_DIR/tmp/stop" "$SB_DIR/tmp/crowd"
    (SB_CLIENT_CG=work/bad exec_as 0:0 bad mspclient slow --to "$IMDS:80" \
        --count "$1" "${@:2}" --again 1000 --large "/sim/size/$LARGE" \
        --until "$SB_DIR/tmp/stop" >"$SB_DIR/tmp/crowd") &
    SB_LAST=$!
    SB_PIDS+=("$SB_LAST")
}

end_attack() {
    touch "$SB_DIR/tmp/stop"
    wait "$SB_LAST"
    note "$(tail -n 1 "$SB_DIR/tmp/crowd")"
}

# Connections of the proxy to the host.
has_served() {
    (($(in_ns vm ss -Htan state established "dport = :80" | wc -l) >= $1))
}

memory_is_bounded() {
    local proxy sockets
    proxy=$(proxy_kib)
    sockets=$(socket_kib)
    check "$1: $proxy KiB of the proxy are less than 96 for each of 512" \
        [ "$proxy" -lt $((512 * 96)) ]
    check "$1: $sockets KiB of its sockets are less than 512 for each" \
        [ "$sockets" -lt $((512 * 512)) ]
}

standing() {
    grep -q standing "$SB_DIR/tmp/crowd"
}

sandbox_up
sandbox_start_sim
sandbox_start_mspd
push_policy "$(policy "$(item enforce allow)")"
sim_mode imds=enforce
container good
container bad
# The proxy's sockets there are under the sysctls of that namespace.
for side in wmem rmem; do
    in_ns bad sh -c "echo 4096 50000000 100000000 \
        >/proc/sys/net/ipv4/tcp_$side" || die "no sysctl of a namespace"
done
times warm
times before
report_row 'nobody else' before
ulimit -Hn 20000

attack "$N"
times opening
report_row 'while they connect' opening
check "all of them stand" until_true 60 standing
for round in 1 2 3; do
    times "round$round"
    report_row "they stand, round $round" "round$round"
    check_eq "round $round: all of the other's requests are served" \
        "$(served "round$round")" "$ROUND"
done
memory_is_bounded "10,000 by turns"
end_attack
check_eq "and connections over the cap were told" \
    "$(jq -s '.[-1].refused > 1000' "$SB_DIR/tmp/crowd")" true
times after
report_row 'they are gone' after
idle=$(for f in before after; do microseconds $f 50; done | sort -n | tail -n 1)
busy=$(for i in 1 2 3; do microseconds "round$i" 50; done | sort -n | sed -n 2p)
check "$busy us is less than twice $idle us" [ "$busy" -lt $((2 * idle)) ]

attack 1024 --only unread
check "those who read nothing stand" until_true 60 standing
check "and there are as many as may be" until_true 20 has_served 512
times unread
report_row 'nobody reads his answer' unread
memory_is_bounded "all unread"
end_attack
sandbox_done
