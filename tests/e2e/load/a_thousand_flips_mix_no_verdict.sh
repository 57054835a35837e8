#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# 1,000 pushes, one after the other, each turning the verdicts of two users
# round, under load of four clients: a request that was begun after a push
# returned gets the new verdict, one that ended before it was sent the old one.
# The clients' clock and the simulator's journal are the only witnesses.
# MSP_FLIPS_RESULT names a file for what they say, for tests/bench/push.sh.
#
# First the paths move and the identities stay: connections live on and the
# same one is allowed and denied in turn. Then the identities move: verdicts
# fall at connect, and a connection older than the push may be ended without
# one, which the client answers with a new connection.
. "$(dirname "$0")/../../harness/sandbox.sh"

FLIPS=${MSP_FLIPS:-1000} # in both phases together
HERE=$(dirname "$0")
URL=/metadata/versions

two_rules() { # PATH-OF-3001 PATH-OF-3002
    printf '{"privileges":[{"name":"a","path":"%s"},' "$1"
    printf '{"name":"b","path":"%s"}],' "$2"
    printf '"roles":[{"name":"a","privileges":["a"]},'
    printf '{"name":"b","privileges":["b"]}],'
    printf '"identities":[{"name":"a","uid":3001},{"name":"b","uid":3002}],'
    printf '"roleAssignments":[{"role":"a","identities":["a"]},'
    printf '{"role":"b","identities":["b"]}]}'
}

# document NAME RULES
document() {
    policy "$(item enforce deny "$2")" >"$SB_DIR/$1.json"
}

# right A B YES NO CLOSES: what policies A and B give the four clients
right() {
    local of='"%s":{"a-new":"%s","a-keep":"%s","b-new":"%s","b-keep":"%s"}'
    # shellcheck disable=SC2059
    printf "{\"outcomes\":{$of,$of},\"closes\":%s}" \
        "$1" "$3" "$3" "$4" "$4" "$2" "$4" "$4" "$3" "$3" "$5"
}

client() { # ID WHO new|keep
    spawn_as "$2" vm python3 "$HERE/steady.py" "$1" "$IMDS:80" "$URL" "$3" \
        "$SB_DIR/tmp/loading" 8 >"$SB_DIR/tmp/$1"
    clients+=("$SB_LAST")
}

result() {
    jq -r ".$1" "$SB_DIR/result"
}

judge() { # as right; what came of it into $SB_DIR/result
    python3 "$HERE/flips.py" "$SB_DIR/pushes" "$SB_DIR/tmp/journal" \
        "$(right "$@")" "$SB_DIR"/tmp/{a,b}-{new,keep} >"$SB_DIR/result" \
        2>"$SB_DIR/wrong" || die "cannot be judged: $(<"$SB_DIR/wrong")"
}

# phase NAME A B YES NO CLOSES
phase() {
    local name=$1 pid clients=() n=$((FLIPS / 2)) id
    shift
    push_policy "$(<"$SB_DIR/$2.json")"
    journal_mark
    python3 "$HERE/pusher.py" 1 mspctl "$SB_DIR/run/control.sock" \
        "$2=$SB_DIR/$2.json" >"$SB_DIR/pushes" || die "the first push"
    touch "$SB_DIR/tmp/loading"
    client a-new 3001:5001 new
    client a-keep 3001:5001 keep
    client b-new 3002:5002 new
    client b-keep 3002:5002 keep
    check "$name: every push is accepted" python3 "$HERE/pusher.py" "$n" \
        mspctl "$SB_DIR/run/control.sock" "$1=$SB_DIR/$1.json" \
        "$2=$SB_DIR/$2.json"
    cat "$SB_DIR/check.out" >>"$SB_DIR/pushes"
    rm "$SB_DIR/tmp/loading"
    for pid in "${clients[@]}"; do
        wait "$pid" || die "$name: a client failed: $?"
    done
    journal >"$SB_DIR/tmp/journal"
    judge "$2" "$1" "$3" "$4" "$5"
    check "$name: turned round, all that is decided counts as wrong" \
        test "$(result wrong)" -ge "$n"
    judge "$@"
    note "$name: $(<"$SB_DIR/result")"
    [[ -z ${MSP_FLIPS_RESULT:-} ]] ||
        cat "$SB_DIR/result" >>"$MSP_FLIPS_RESULT"
    [[ ! -s $SB_DIR/wrong ]] || note "$(<"$SB_DIR/wrong")"
    check_eq "$name: each push was made and timed" \
        "$(wc -l <"$SB_DIR/pushes")" $((n + 1))
    check_eq "$name: no request got another verdict than its time's" \
        "$(result wrong)" 0
    check_eq "$name: nothing reached the host unsigned" "$(result unsigned)" 0
    check_eq "$name: nothing that was refused reached the host" \
        "$(result leaked)" 0
    check_eq "$name: all that was served is in the journal once" \
        "$(result lost)" 0
    check_eq "$name: the journal has nobody else's" "$(result nobodys)" 0
    # what makes it a test: both verdicts of every client, after most pushes
    for id in a-new a-keep b-new b-keep; do
        check "$name: $id had both verdicts, many times" \
            test "$(result "decided[\"$id $3\"] // 0")" -ge $((n / 10)) -a \
            "$(result "decided[\"$id $4\"] // 0")" -ge $((n / 10))
    done
    check "$name: after most pushes somebody asked before the next" \
        test "$(result windows)" -ge $((n * 6 / 10))
}

sandbox_up
sandbox_start_sim
sandbox_start_mspd
document a "$(two_rules "$URL" /metadata/other)"
document b "$(two_rules /metadata/other "$URL")"
document only-a "$(rules "$URL" '"uid":3001')"
document only-b "$(rules "$URL" '"uid":3002')"
phase "paths move" a b 200 403 false
phase "identities move" only-a only-b 200 EPERM true
check_eq "no mark was lost on the way" "$(ctl --json status | jq -c '.stats |
    map(select(.name | IN("mark-publish-failed", "mark-move-failed",
        "storage-failed", "audit-dropped")) | .value)')" '[0,0,0,0]'
note "took $SECONDS s"
sandbox_done
