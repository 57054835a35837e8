#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# Root of a network namespace may end any socket in it, the agent's listener
# too (SOCK_DESTROY). That is his own loss for a moment: the proxy does not turn
# in circles over it, others are served all the time, and the listener comes
# back at its port.
. "$(dirname "$0")/../../harness/sandbox.sh"

USER=2001:3001
URL=http://$IMDS/metadata/versions

ticks() {
    awk '{ print $14 + $15 }' "/proc/$proxy/stat"
}

served() {
    [[ $(http_code "$USER" "$1" "$URL") == 200 ]]
}

# listening [NETNS]
listening() {
    in_ns "${1:-c1}" ss -Hltn "sport = :$port"
}

lines() {
    grep -c '^<4>listener.lost' "$SB_DIR/mspd.log"
}

all_are_back() {
    local n
    for n in {1..20}; do
        [[ -n $(listening "many$n") ]] || return 1
    done
}

# How often it was lost: each line says how many there were since the one before.
lost() {
    sed -n 's/^<4>listener\.lost.*(\([0-9]*\) since.*/\1/p' "$SB_DIR/mspd.log" |
        awk '{ n += $1 } END { print n + 0 }'
}

# end_it [NETNS]: the client itself asks the kernel, with the rights of the
# namespace's root.
end_it() {
    run_as 0:0 "${1:-c1}" ss -KH state listening "sport = :$port" \
        >"$SB_DIR/tmp/ended" 2>/dev/null
    grep -q ":$port" "$SB_DIR/tmp/ended"
}

one_more_says() {
    end_it
    (($(lost) >= $1))
}

sandbox_up
sandbox_start_sim
sandbox_start_mspd
make_netns c1
check "a listener in the namespace" ctl netns add "$SB_DIR/ns/c1"
push_policy "$(policy "$(item enforce allow)")"
port=$(ctl --json netns list | jq -r '.netns[] | select(.own | not) | .port')
proxy=$(child_pid mspd-proxy)
check "it serves" served c1

kill -STOP "$SB_MSPD" # so that nobody can mend it yet
before=$(ticks)
end_it || skip "SOCK_DESTROY"
check_eq "it is gone" "$(listening)" ""
check_eq "whoever connects there is refused" \
    "$(http_code "$USER" c1 "$URL")" ECONNREFUSED
check_eq "nobody else can have the port" "$(run_as "$USER" c1 mspclient steps \
    "bind=127.0.0.1:$port" | jq -r 'select(.step == "bind") | .result')" EPERM
sleep 2
check "the proxy did not run meanwhile: $(($(ticks) - before)) ticks" \
    test "$(($(ticks) - before))" -lt 20
check "others are served" served vm
kill -CONT "$SB_MSPD"
check "it comes back" until_true 5 served c1
check_eq "at its port" "$(listening | awk '{ print $4 }')" "127.0.0.1:$port"
check "the log has it" test "$(lines)" -ge 1
for _ in 1 2 3; do
    end_it
    check "once more" until_true 5 served c1
done

# In as many namespaces as he likes: the log is not his to fill.
for n in {1..20}; do
    make_netns "many$n"
    ctl netns add "$SB_DIR/ns/many$n" >/dev/null || die "no listener in many$n"
done
before=$(lines)
began=$EPOCHSECONDS
for n in {1..20}; do
    end_it "many$n"
done
check "all come back" until_true 10 all_are_back
check "a line a second: $(($(lines) - before)) in $((EPOCHSECONDS - began)) s" \
    test "$(($(lines) - before))" -le "$((EPOCHSECONDS - began + 2))"
check "until the next one that says how many there were" \
    until_true 10 one_more_says 24
check_eq "nothing unsigned" "$(journal_count '.signed != "valid"')" 0
sandbox_done
