#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# How long `mspctl policy push` takes, from the start of mspctl to its end:
# MSP_PUSHES of them (default 50), alone and under load of four clients, and
# with two policies that differ in their identities or only in their paths.
# Prints milliseconds. Needs root; MSP_BUILD names the build.
. "$(dirname "$0")/../harness/sandbox.sh"

LOAD=$(dirname "$0")/../e2e/load
URL=/metadata/versions

document() { # NAME PATH UID
    policy "$(item enforce deny "$(rules "$2" "\"uid\":$3")")" \
        >"$SB_DIR/$1.json"
}

# measure WHAT OTHER: pushes `first` and OTHER in turn
measure() {
    python3 "$LOAD/pusher.py" "${MSP_PUSHES:-50}" mspctl \
        "$SB_DIR/run/control.sock" "first=$SB_DIR/first.json" \
        "$2=$SB_DIR/$2.json" >"$SB_DIR/pushes" || die "a push failed"
    jq -s -r --arg what "$1" 'map((.reply_ns - .send_ns) / 1e5 | round / 10) | sort |
        "\(length) pushes, \($what): median \(.[length / 2 | floor]) ms, "
        + "max \(.[-1]) ms"' "$SB_DIR/pushes"
}

client() { # ID UID new|keep
    spawn_as "$2:$2" vm python3 "$LOAD/steady.py" "$1" "$IMDS:80" "$URL" "$3" \
        "$SB_DIR/tmp/loading" 8 >"$SB_DIR/tmp/$1"
}

sandbox_up
sandbox_start_sim
sandbox_start_mspd
document first "$URL" 3001
document identity "$URL" 3002
document path /metadata/other 3001
measure "other paths, alone" path
measure "other identities, alone" identity
touch "$SB_DIR/tmp/loading"
client a-new 3001 new
client a-keep 3001 keep
client b-new 3002 new
client b-keep 3002 keep
measure "other paths, under load" path
measure "other identities, under load" identity
rm "$SB_DIR/tmp/loading"
SB_QUIET=1 ok "measured"
sandbox_done >/dev/null
