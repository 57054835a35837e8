#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# How long `mspctl policy push` takes, from the start of mspctl to its end:
# MSP_PUSHES of them (default 50), alone and under load of four clients, and
# with two policies that differ in their identities or only in their paths.
# Then with MSP_CONTAINERS registered containers (10,000: cgroups without
# processes), and how long mspc takes to compile 1,000 rules. Prints milliseconds
# and the load of the machine. Needs root; MSP_BUILD names the build; MSP_REPORT
# a file for the numbers, and for those of MSP_FLIPS_RESULT if that names what
# e2e/load/a_thousand_flips_mix_no_verdict has left.
. "$(dirname "$0")/../harness/sandbox.sh"

LOAD=$(dirname "$0")/../e2e/load
URL=/metadata/versions
CONTAINERS=${MSP_CONTAINERS:-10000}

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

median() { # of the last measure, milliseconds
    jq -s 'map((.reply_ns - .send_ns) / 1e5 | round / 10) | sort |
        .[length / 2 | floor]' "$SB_DIR/pushes"
}

value() { # KEY NUMBER
    printf 'push.%-28s %12s\n' "$1" "$2"
    jq -n --arg key "$1" --argjson value "$2" '{($key): $value}' \
        >>"$SB_DIR/values"
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

# --- many containers: one policy for some of them, then for others ------------
# containers NAME NAMESPACE
containers() {
    policy "$(item enforce deny "{\"privileges\":[{\"name\":\"p\",
        \"path\":\"$URL\"}],\"roles\":[{\"name\":\"r\",
        \"privileges\":[\"p\"]}],\"identities\":[{\"name\":\"i\",
        \"pod\":{\"namespace\":\"$2\"}}],\"roleAssignments\":[
        {\"role\":\"r\",\"identities\":[\"i\"]}]}")" >"$SB_DIR/$1.json"
}
mount=$(findmnt -n -t cgroup2 -o TARGET | head -n 1)
mkdir "$SB_CG/many"
note "registered in $(python3 "$(dirname "$0")/registrations.py" \
    "$SB_DIR/run/control.sock" "$mount" "${SB_CG#"$mount"}/many" \
    "$CONTAINERS") us each"
containers first ns-1
containers other ns-2
measure "$CONTAINERS containers" other
value "containers_${CONTAINERS}_ms" "$(median)"
value compile_1000_rules_ms \
    "$("$MSP_BUILD/bench/bench_compile" | awk -F, '$1 == 1000 { print $2 }')"
[[ -z ${MSP_FLIPS_RESULT:-} ]] ||
    value mixed_verdicts "$(jq -s 'map(.wrong) | add' "$MSP_FLIPS_RESULT")"
value load_average "$(cut -d' ' -f1 /proc/loadavg)"
find "$SB_CG/many" -mindepth 1 -type d -delete
if [[ ${MSP_REPORT:-} ]]; then
    [[ -s $MSP_REPORT ]] || echo '{}' >"$MSP_REPORT"
    jq -s add "$SB_DIR/values" |
        jq --slurpfile all "$MSP_REPORT" '$all[0] + {push: .}' \
            >"$MSP_REPORT.new" && mv "$MSP_REPORT.new" "$MSP_REPORT"
fi
SB_QUIET=1 ok "measured"
sandbox_done >/dev/null
