#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# mspd-proxy itself, with the descriptors, the user and the mappings mspd gave
# it, tries what a taken-over one would: every system call that is not on its
# list kills it, every bpf command but three, every socket but TCP; it connects
# to endpoints and nowhere else and writes no mark. Each attempt is made once
# outside of the sandbox, too, where it kills nobody. A crash ends the proxy's
# own connections and nothing else.
. "$(dirname "$0")/../../harness/sandbox.sh"

USER=2001:3001
URL=http://$IMDS/metadata/versions

proxy_pid() {
    local pid
    for pid in $(<"$SB_CG/agent/cgroup.procs"); do
        [[ $(readlink "/proc/$pid/exe") != "$SB_DIR/jail/mspd-proxy" ]] ||
            printf '%s\n' "$pid"
    done
}

# Attempts of the latest proxy that has made them all.
attempts() {
    awk '/^captive proxy done/ { last = text; text = ""; next }
         /^captive / { text = text $0 "\n" }
         END { printf "%s", last }' "$SB_DIR/mspd.log"
}

n_done() {
    grep -c '^captive proxy done' "$SB_DIR/mspd.log"
}

is_done() {
    (($(n_done) > $1))
}

is_served() {
    [[ $(SB_MAX_TIME=2 http_code "$USER" vm "$URL") == 200 ]]
}

# crash SIGNAL: ends the proxy, waits for the next
crash() {
    local before
    before=$(n_done)
    kill "-$1" "$(proxy_pid)"
    check "SIG$1: another proxy is started" until_true 10 is_done "$before"
}

sandbox_up
mkdir "$SB_DIR/jail"
cp "$SB_DIR/bin/mspd-keeper" "$SB_DIR/bin/mspd-netns" "$SB_DIR/jail/"
cp "$SB_DIR/bin/captive-proxy" "$SB_DIR/jail/mspd-proxy"
sandbox_start_sim
sim_mode wireserver=off
sandbox_start_mspd --libexec-dir "$SB_DIR/jail"
push_policy "$(policy "$(item enforce allow)")"

# Without the walls: another user reaches what the proxy must not.
check_eq "elsewhere is somewhere: another user is refused by the other side" \
    "$(run_as "$USER" vm mspclient steps connect=10.97.0.1:9 |
        jq -r 'select(.step == "connect").result')" ECONNREFUSED

# One connection through the proxy, one past it, both in the middle.
run_as "$USER" vm mspclient steps timeout=20000 "connect=$IMDS:80" \
    request=/sim/delay/0 request=/sim/delay/15000 >"$SB_DIR/tmp/through" &
through=$!
run_as "$USER" vm mspclient steps timeout=20000 "connect=$WIRE:80" \
    request=/sim/delay/0 "until=$SB_DIR/tmp/go" request=/sim/delay/0 \
    >"$SB_DIR/tmp/past" &
past=$!
in_the_middle() {
    (($(grep -c /sim/delay/0 "$SB_DIR/journal") == 2)) &&
        in_ns sim ss -Htn state established "sport = :80" | grep -q "$IMDS"
}
check "two connections are in the middle" until_true 5 in_the_middle
crash SEGV
wait "$through"
check_eq "a crash ends the connection that went through the proxy" \
    "$(jq -r 'select(.step == "request") | .status // .result' \
        "$SB_DIR/tmp/through" | xargs)" "200 0"
check "who comes next is served" until_true 5 is_served
touch "$SB_DIR/tmp/go"
wait "$past"
check_eq "and not one that went past it" \
    "$(jq -r 'select(.step == "request") | .status' "$SB_DIR/tmp/past" |
        xargs)" "200 200"

# The latest has had a policy in force.
while read -r _ _ how name result wanted; do
    case $how in
        in) check_eq "$name is $wanted" "$result" "$wanted" ;;
        *) check "$name is an attempt" [ "$result" != SIGSYS ] ;;
    esac
done < <(attempts)
check "all were made" [ "$(attempts | wc -l)" -gt 150 ]
sandbox_done
