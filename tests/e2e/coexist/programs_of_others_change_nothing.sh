#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# A load balancer of somebody else turns a virtual address into that of an
# endpoint, before, after and below our programs, in every way the kernel lets
# it be attached: who is denied the endpoint does not reach it by that address.
# status names each such program, where it runs, and who stops it.
. "$(dirname "$0")/../../harness/sandbox.sh"

VIP=198.51.100.7
USER=2001:3001
ALLOWED=2002:3002
FOREIGN=()
MANY=${MSP_CGROUPS:-3000}

# foreign_attach PROGRAM CGROUP FLAGS
foreign_attach() {
    local type=cgroup_inet4_connect
    [[ $1 != *connect6 ]] || type=cgroup_inet6_connect
    [[ $1 != *sendmsg4 ]] || type=cgroup_udp4_sendmsg
    # shellcheck disable=SC2086
    bpftool cgroup attach "$2" "$type" pinned "$SB_DIR/bpf/foreign/$1" \
        ${3/none/} || return 1
    FOREIGN+=("$2 $type pinned $SB_DIR/bpf/foreign/$1")
}

foreign_detach() {
    local one
    for one in "${FOREIGN[@]}"; do
        # shellcheck disable=SC2086
        bpftool cgroup detach $one || die "cannot detach: $one"
    done
    FOREIGN=()
}

prog_id() {
    bpftool -j prog show pinned "$SB_DIR/bpf/foreign/$1" | jq .id
}

# Requests of a client that reached the host; the client's own time is short:
# a dropped SYN is answered by nobody.
reached() { # WHO ADDR
    journal_mark
    # a request names the endpoint, whatever the address, or it is a 400
    SB_MAX_TIME=$((2 * ${MSP_SLOW:-1})) http_code "$1" vm "http://$2/metadata/versions" \
        -H "Host: $IMDS" >"$SB_DIR/tmp/code"
    CODE=$(<"$SB_DIR/tmp/code")
    REACHED=$(journal_count)
}

# passes|is_denied|is_dropped CLAIM WHO ADDR
passes() {
    reached "$2" "$3"
    check_eq "$1" "$CODE $REACHED $(journal_count '.signed == "valid"')" \
        "200 1 1"
}

is_denied() {
    reached "$2" "$3"
    check_eq "$1" "$CODE $REACHED" "EPERM 0"
}

is_dropped() {
    reached "$2" "$3"
    check_eq "$1: nothing arrives" "$REACHED" 0
    check "$1: and the client hears of no success" test "$CODE" != 200
}

# row PROGRAM FIELD: what status says of it
row() {
    ctl --json status |
        jq -r --argjson id "$(prog_id "$1")" \
            ".foreign[] | select(.id == \$id) | $2"
}

says() { # CLAIM PROGRAM CGROUP "FLAGS PLACE RUNS JUDGED"
    check_eq "$1" "$(row "$2" '"\(.cgroup) \(.name) \(.flags) \(.place) \(
        .runs) \(.judged)"')" "$3 ${2:0:15} $4"
}

state() {
    ctl --json status | jq -r .state
}

judged_in() { # NAME: of what is attached now
    passes "$1: the allowed one by the virtual address" "$ALLOWED" "$VIP"
    is_denied "$1: the denied one by it" "$USER" "$VIP"
    is_denied "$1: and by the address itself" "$USER" "$IMDS"
    is_denied "$1: and by it as IPv6" "$USER" "[::ffff:$IMDS]"
    check_eq "$1: the state is ok" "$(state)" ok
}

before_ours() {
    local flags
    ctl detach --yes >/dev/null || die "detach"
    wait "$SB_MSPD" 2>/dev/null
    foreign_attach vip_connect4 "$SB_CG" multi || die "attach"
    foreign_attach vip_connect6 "$SB_CG" multi || die "attach"
    reached "$USER" "$VIP"
    check_eq "nobody is there to judge: the way is open" "$CODE $REACHED" \
        "200 1"
    sandbox_start_mspd
    judged_in before
    is_denied "before: by the virtual address as IPv6" "$USER" "[::ffff:$VIP]"
    says "before: status says so" vip_connect4 / "multi same 1 of 2, before ours true"
    says "before: of IPv6, too" vip_connect6 / "multi same 1 of 2, before ours true"
    # another mspd takes the links over: the order stays
    sandbox_stop_mspd KILL
    sandbox_start_mspd
    says "before, after a restart: as before" vip_connect4 / \
        "multi same 1 of 2, before ours true"
    is_denied "before, after a restart: by the virtual address" "$USER" "$VIP"
    foreign_detach

    ctl detach --yes >/dev/null || die "detach"
    wait "$SB_MSPD" 2>/dev/null
    for flags in override none; do
        foreign_attach vip_connect4 "$SB_CG" "$flags" || die "attach"
        excluded "$flags"
        foreign_detach
    done
    sandbox_start_mspd
    check_eq "with it gone mspd starts" "$(state)" ok
}

# Ours cannot run there: mspd says who is in the way, and leaves nothing.
excluded() {
    local begin=$EPOCHSECONDS r
    : >"$SB_DIR/mspd.log"
    (sandbox_start_mspd) >"$SB_DIR/tmp/start" 2>&1
    r=$?
    check "$1, before ours: mspd does not start" test "$r" -ne 0
    check "$1: it says who is in the way" grep -q \
        "start.attach.*program $(prog_id vip_connect4) is attached there" \
        "$SB_DIR/mspd.log"
    check "$1: at once" test $((EPOCHSECONDS - begin)) -lt $((15 * ${MSP_SLOW:-1}))
    check "$1: no link is left" is_unlinked
}

is_unlinked() {
    ! compgen -G "$SB_DIR/bpf/mspd/layout-*/links/*" >/dev/null
}

below_ours() {
    local flags dir
    mkdir -p "$SB_CG/work/inner"
    for dir in work work/inner; do
        for flags in multi override none; do
            SB_CLIENT_CG=work/inner
            foreign_attach vip_connect4 "$SB_CG/$dir" "$flags" || die "attach"
            judged_in "below, /$dir, $flags"
            says "below, /$dir, $flags: status says so" vip_connect4 "/$dir" \
                "$flags below 1 of 2, before ours true"
            foreign_detach
        done
    done
    # one below the other: who is further down takes its place, not ours
    foreign_attach vip_connect4 "$SB_CG/work" override || die "attach"
    foreign_attach pardon_connect4 "$SB_CG/work/inner" override || die "attach"
    is_denied "below, one overrides the other: the address itself" "$USER" \
        "$IMDS"
    says "below, overriding: the inner one" pardon_connect4 /work/inner \
        "override below 1 of 2, before ours true"
    foreign_detach
    SB_CLIENT_CG=
    check_eq "below: and none is left in status" \
        "$(ctl --json status | jq '.foreign | length')" 0
}

after_ours() {
    foreign_attach vip_connect4 "$SB_CG" multi || die "attach"
    foreign_attach vip_connect6 "$SB_CG" multi || die "attach"
    is_dropped "after: the denied one by the virtual address" "$USER" "$VIP"
    is_dropped "after: by it as IPv6" "$USER" "[::ffff:$VIP]"
    is_dropped "after: the allowed one by it, unsigned" "$ALLOWED" "$VIP"
    passes "after: the allowed one by the address itself" "$ALLOWED" "$IMDS"
    is_denied "after: the denied one by it" "$USER" "$IMDS"
    says "after: status says so" vip_connect4 / \
        "multi same 2 of 2, after ours false"
    check_eq "after: and who stops it" "$(row vip_connect4 .covered)" \
        "msp_egress drops what it leads to an endpoint"
    check_eq "after: the state is degraded" "$(state)" degraded
    check "after: the reason is told" reason_is "runs after ours"
    check "after: in text, a line of its own" grep -qE \
        "^ */ +connect4 +$(prog_id vip_connect4) +vip_connect4 .*after ours" \
        <(ctl status)
    check "after: the log has it" grep -q \
        "foreign.after.*name=\"vip_connect4\"" "$SB_DIR/mspd.log"
    foreign_detach
    check_eq "after: gone, all is well" "$(state)" ok

    foreign_attach pardon_connect4 "$SB_CG" multi || die "attach"
    is_dropped "after, a pardon: the denied one" "$USER" "$IMDS"
    foreign_detach
    foreign_attach undo_connect4 "$SB_CG" multi || die "attach"
    is_dropped "after, redirect undone: the allowed one" "$ALLOWED" "$IMDS"
    foreign_detach
    check "after ours, others exclude nobody" refused override
    check "nor without flags" refused none
    passes "in the end: the allowed one" "$ALLOWED" "$IMDS"
}

refused() {
    ! foreign_attach vip_connect4 "$SB_CG" "$1"
}

reason_is() {
    ctl --json status | jq -r '.reasons[].text' | grep -q "$1"
}

# A datagram from a program after ours: nothing stops it, and status says that.
datagrams() {
    foreign_attach vip_sendmsg4 "$SB_CG" multi || die "attach"
    check_eq "a datagram hook after ours: status says who covers it" \
        "$(row vip_sendmsg4 '"\(.hook) \(.judged) \(.covered)"')" \
        "sendmsg4 false by nothing, but no endpoint speaks UDP"
    check_eq "and the state is degraded" "$(state)" degraded
    foreign_detach
}

# CPU time of all of mspd's processes so far, us.
cpu_us() {
    sed -n 's/^usage_usec //p' "$SB_CG/agent/cpu.stat"
}

sweep() {
    ctl --json status | jq ".sweep.$1"
}

has_swept() {
    (($(sweep cgroups) > MANY))
}

# Thousands of cgroups are looked at in slices; the last one counts as well.
many() {
    local before dir=$SB_CG/work/many/c$MANY
    mkdir "$SB_CG/work/many"
    (cd "$SB_CG/work/many" && seq -f 'c%.0f' "$MANY" | xargs mkdir)
    foreign_attach vip_connect4 "$dir" override || die "attach"
    check "many cgroups: all of them are looked at" until_true 20 has_swept
    check_eq "many cgroups: none was left out" "$(sweep unread)" 0
    says "many cgroups: the last one's program is named" vip_connect4 \
        "/work/many/c$MANY" "override below 1 of 2, before ours true"
    before=$(cpu_us)
    has_swept
    note "CPU of a sweep of $MANY cgroups, or what status does of it at once:" \
        "$((($(cpu_us) - before) / 1000)) ms"
    foreign_detach
    (cd "$SB_CG/work/many" && seq -f 'c%.0f' "$MANY" | xargs rmdir)
    rmdir "$SB_CG/work/many"
}

# Somebody takes ours away without our knowing.
detached() {
    bpftool link detach pinned "$SB_DIR/bpf/mspd/"layout-*/links/msp_sendmsg6 ||
        die "link detach"
    check_eq "ours detached: status names the gap" \
        "$(ctl --json status | jq -c '.gaps | map([.cgroup, .program])')" \
        '[["/","msp_sendmsg6"]]'
    check_eq "and is degraded" "$(state)" degraded
    check "the log has it" grep -q "foreign.instead.*msp_sendmsg6" \
        "$SB_DIR/mspd.log"
}

sandbox_up
bpftool prog loadall "$MSP_BUILD/bin/tests/foreign.bpf" \
    "$SB_DIR/bpf/foreign" || die "cannot load the programs of others"
in_ns vm ip route add "$VIP/32" via 10.97.0.1
sandbox_start_sim
sandbox_start_mspd

# first with enforcement off: each way leads to the endpoint
sim_mode imds=off
push_policy "$(policy "$(item disabled deny)")"
for one in "after $SB_CG multi" "below $SB_CG/work override"; do
    read -r name dir flags <<<"$one"
    foreign_attach vip_connect4 "$dir" "$flags" || die "attach"
    reached "$USER" "$VIP"
    check_eq "off, $name: the virtual address leads to the endpoint" \
        "$CODE $REACHED" "200 1"
    foreign_detach
done

push_policy "$(policy "$(item enforce deny \
    "$(rules /metadata/versions '"uid":2002')")")"
passes "without others: the allowed one" "$ALLOWED" "$IMDS" 2>/dev/null
before_ours
sim_mode imds=enforce
below_ours
after_ours
datagrams
many
detached
sandbox_done
