#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# Rounds of {SIGKILL the proxy, SIGKILL mspd, SIGKILL both, restart, change to
# a second build, push} under load of two allowed clients and a denied one. The
# host takes anything: an unsigned request would be served, and be seen in the
# journal. Nothing is unsigned, nothing is the denied client's, 99 % of what
# the allowed ask outside the gaps is served, and at the end there is as much
# of everything in the kernel and in the processes as at the start.
#
# The stated gap of a round is the time from the signal to READY=1 of the mspd
# started after it; where only the proxy was killed, until `mspctl status` says
# that a new one is ready. A push has no gap. In a gap a request may fail, or
# wait for the next proxy; it is never served unsigned.
. "$(dirname "$0")/../../harness/sandbox.sh"

ROUNDS=${MSP_ROUNDS:-75}
HERE=$(dirname "$0")
KINDS=(proxy mspd both restart build push)

proxy_state() {
    ctl --json status | jq -r '.processes[] |
        select(.name == "mspd-proxy") | "\(.pid) \(.state)"'
}

has_new_proxy() {
    [[ $(proxy_state) =~ ^([0-9]+)\ ready$ && ${BASH_REMATCH[1]} != "$1" ]]
}

# So that no number that may be another process's by now is kept.
forget_mspd() {
    local pid kept=()
    for pid in "${SB_PIDS[@]}"; do
        [[ $pid == "$SB_MSPD" ]] || kept+=("$pid")
    done
    SB_PIDS=("${kept[@]}")
}

stop_mspd() {
    sandbox_stop_mspd "$1"
    forget_mspd
}

# Puts the other build's programs over those that run.
exchange_build() {
    local program
    is_second=$((1 - is_second))
    for program in "$SB_DIR/build$is_second"/*; do
        cp "$program" "$SB_DIR/bin/new"
        mv "$SB_DIR/bin/new" "$SB_DIR/bin/$(basename "$program")"
    done
}

begin_gap() {
    read -r gap_begin _ </proc/uptime
}

end_gap() {
    local now
    read -r now _ </proc/uptime
    printf '%s %s %s\n' "$1" "$gap_begin" "$now" >>"$SB_DIR/gaps"
}

round() {
    local pid
    pid=$(proxy_state)
    pid=${pid% *}
    [[ $1 != build ]] || exchange_build
    if [[ $1 == push ]]; then
        pushes=$((pushes + 1))
        push_policy "$(<"$SB_DIR/policy$((pushes % 2)).json")"
        return
    fi
    begin_gap
    case $1 in
        proxy)
            kill -KILL "$pid"
            until_true 15 has_new_proxy "$pid" || die "no new proxy"
            ;;
        mspd) stop_mspd KILL ;;
        both)
            kill -KILL "$pid"
            stop_mspd KILL
            ;;
        restart | build) stop_mspd TERM ;;
    esac
    [[ $1 == proxy ]] || sandbox_start_mspd
    end_gap "$1"
}

client() { # ID WHO new|keep
    spawn_as "$2" vm python3 "$HERE/steady.py" "$1" "$IMDS:80" \
        /metadata/versions "$3" "$SB_DIR/tmp/loading" 8 >"$SB_DIR/tmp/$1"
    clients+=("$SB_LAST")
}

# --- what there is ------------------------------------------------------------

# Every BPF object that a pin or a process of this test holds, as "kind id".
bpf_objects() {
    local pin pid
    for pin in "$SB_DIR"/bpf/mspd/layout-*/{links,progs,maps}/* \
        "$SB_DIR"/bpf/mspd/layout-*/gen/*/*; do
        case $pin in
            */links/*) printf 'link ' && bpftool -j link show pinned "$pin" ;;
            */progs/*) printf 'prog ' && bpftool -j prog show pinned "$pin" ;;
            *) printf 'map ' && bpftool -j map show pinned "$pin" ;;
        esac | sed -E 's/^([a-z]+) .*"id":([0-9]+).*/\1 \2/;s/ \{"id":/ /'
    done
    while read -r pid; do
        sed -nE 's/^(map|prog|link)_id:\s*/\1 /p' "/proc/$pid"/fdinfo/* \
            2>/dev/null
    done <"$SB_CG/agent/cgroup.procs"
    bpftool -j cgroup show "$SB_CG" | jq -r '.[] | "prog \(.id)"'
}

# "comm fds" of every process of the agent
agent_fds() {
    local pid
    while read -r pid; do
        printf '%s %s\n' "$(<"/proc/$pid/comm")" \
            "$(find "/proc/$pid/fd" -type l | wc -l)"
    done <"$SB_CG/agent/cgroup.procs" 2>/dev/null | sort
}

inventory() {
    agent_fds
    echo "attached $(bpftool -j cgroup show "$SB_CG" | jq length)"
    echo "generations $(find "$SB_DIR"/bpf/mspd/layout-*/gen -mindepth 1 \
        -maxdepth 1 | wc -l)"
    bpf_objects | sort -u | cut -d' ' -f1 | uniq -c | awk '{print $2, $1}'
}

has_four_slots() {
    [[ $(inventory) == *"generations 4"* ]]
}

is_as_at_start() {
    [[ $(inventory) == "$at_start" ]]
}

document() { # NAME=UID...: all of them may ask
    local one ids='' names='' comma=''
    for one in "$@"; do
        ids+="$comma{\"name\":\"${one%=*}\",\"uid\":${one#*=}}"
        names+="$comma\"${one%=*}\""
        comma=,
    done
    policy "$(item enforce deny "{\"privileges\":[{\"name\":\"p\",
        \"path\":\"/metadata/versions\"}],
        \"roles\":[{\"name\":\"r\",\"privileges\":[\"p\"]}],
        \"identities\":[$ids],
        \"roleAssignments\":[{\"role\":\"r\",\"identities\":[$names]}]}")"
}

result() {
    jq -r ".$1" "$SB_DIR/result"
}

sandbox_up
mkdir "$SB_DIR"/build{0,1}
for program in mspctl mspd mspd-keeper mspd-netns mspd-proxy; do
    cp "$SB_DIR/bin/$program" "$SB_DIR/build0/"
    strip -o "$SB_DIR/build1/$program" "$SB_DIR/bin/$program" ||
        die "cannot make a second build"
done
is_second=0
sandbox_start_sim
sim_mode imds=off
sandbox_start_mspd
# the second changes the identities: older connections are told to go
document a=3001 b=3002 >"$SB_DIR/policy0.json"
document a=3001 b=3002 c=3003 >"$SB_DIR/policy1.json"
for pushes in 1 2 3 4 5 6; do # until every slot was used
    push_policy "$(<"$SB_DIR/policy$((pushes % 2)).json")"
done
check "the pins of old generations are removed" until_true 40 has_four_slots
at_start=$(inventory)
note "at the start: $(paste -sd, <<<"$at_start")"
check_eq "an allowed user is served" \
    "$(ask mspclient 3001:5001 vm "$IMDS:80" /metadata/versions first)" 200

journal_mark
: >"$SB_DIR/gaps"
clients=()
touch "$SB_DIR/tmp/loading"
client a-new 3001:5001 new
client b-keep 3002:5002 keep
client denied 3009:5009 new
for ((i = 0; i < ROUNDS; i++)); do
    round "${KINDS[i % ${#KINDS[@]}]}"
    sleep 0.3 # service without a gap, which is what is measured
done
rm "$SB_DIR/tmp/loading"
for pid in "${clients[@]}"; do
    wait "$pid" || die "a client failed: $?"
done
note "$ROUNDS rounds took until $SECONDS s"

journal >"$SB_DIR/tmp/journal"
python3 "$HERE/rounds.py" "$SB_DIR/gaps" "$SB_DIR/tmp/journal" denied \
    "$SB_DIR"/tmp/{a-new,b-keep,denied} >"$SB_DIR/result" 2>"$SB_DIR/unserved" ||
    die "cannot be judged: $(<"$SB_DIR/unserved")"
note "$(<"$SB_DIR/result")"
[[ ! -s $SB_DIR/unserved ]] || note "unserved: $(<"$SB_DIR/unserved")"
check_eq "nothing unsigned reached the host" "$(result unsigned)" 0
check_eq "nothing of the denied client did" "$(result of_denied)" 0
check_eq "nobody was judged wrongly" "$(result misjudged)" 0
check_eq "all that was served is in the journal once" "$(result lost)" 0
check "the denied client knocked all the time" \
    test "$(result knocks)" -ge $((ROUNDS * 5))
check "the allowed asked much outside the gaps" \
    test "$(result outside)" -ge $((ROUNDS * 10))
check "99 % of that was served: $(result served) of $(result outside)" \
    test $(($(result served) * 100)) -ge $(($(result outside) * 99))
# an earlier proxy may serve its last connections for 30 s, and this one keeps
# an idle connection to the host for a while
until_true 60 is_as_at_start
check_eq "programs, maps, links and descriptors are as at the start" \
    "$(inventory)" "$at_start"
note "took $SECONDS s"
sandbox_done
