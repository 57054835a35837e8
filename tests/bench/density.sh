#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# What containers cost: for each of MSP_DENSITY (default "10 100 1000"; a
# thousand take half a GiB) so many cgroups with a network namespace each, whose
# first process connects to IMDS and stays. Prints how long that took it, what
# the agent's processes hold in memory and descriptors, BPF memory, what a push
# takes, and the CPU time of mspd when nothing happens, which is sweeps. Eight
# start at a time (MSP_DENSITY_AT_ONCE): more wait for a CPU, not for us. Each
# map's memory is printed once, and the load of the machine beside it all.
# Needs root; MSP_BUILD names the build, MSP_REPORT a file for the numbers.
. "$(dirname "$0")/../harness/sandbox.sh"

USER=2001
IDLE_S=${MSP_IDLE_S:-20}

agents() {
    echo "$SB_MSPD" "$(child_pid mspd-proxy)" "$(child_pid mspd-netns)" \
        "$(child_pid mspd-keeper)"
}

pid_of() {
    if [[ $1 == mspd ]]; then echo "$SB_MSPD"; else child_pid "$1"; fi
}

pss_of() {
    awk '$1 == "Pss:" { print $2 }' "/proc/$1/smaps_rollup"
}

pss_kib() {
    local pid
    for pid in $(agents); do
        cat "/proc/$pid/smaps_rollup"
    done | awk '$1 == "Pss:" { sum += $2 } END { print sum }'
}

# Of maps by their pins; without those that hold what has happened.
bpf_kib() {
    local pin
    for pin in "$SB_DIR"/bpf/mspd/layout-*/maps/* \
        "$SB_DIR"/bpf/mspd/layout-*/gen/*/*; do
        is_record "${pin##*/}" || bpftool -j map show pinned "$pin" 2>/dev/null
    done | jq -s 'map(.bytes_memlock // 0) | add / 1024 | round'
}

# Maps of records: audit, marks on their way, what processes are.
is_record() {
    case $1 in
        msp_audit | msp_aud_uids | msp_counters | msp_ring | msp_handoff | \
            msp_pending | msp_exec | msp_exec_hash) ;;
        *) false ;;
    esac
}

# One row a map that takes more than a page.
maps() {
    local pin
    for pin in "$SB_DIR"/bpf/mspd/layout-*/maps/*; do
        bpftool -j map show pinned "$pin" | jq -r --arg what \
            "$(is_record "${pin##*/}" && echo " (records)")" \
            'select(.bytes_memlock > 4096) | "map " + .name + " " +
                (.bytes_memlock / 1024 | round | tostring) + " KiB" + $what'
    done | sort -k3,3nr
}

fds() {
    find "/proc/$1/fd" -type l | wc -l
}

ticks() {
    awk '{ print $14 + $15 }' "/proc/$SB_MSPD/stat"
}

push_ms() {
    python3 "$(dirname "$0")/../e2e/load/pusher.py" 20 mspctl \
        "$SB_DIR/run/control.sock" "one=$SB_DIR/one.json" \
        "two=$SB_DIR/two.json" >"$SB_DIR/pushes" || die "a push failed"
    jq -s 'map((.reply_ns - .send_ns) / 1e6) | sort | .[length / 2 | floor] *
        10 | round / 10' "$SB_DIR/pushes"
}

has_answers() {
    [[ -s $SB_DIR/tmp/answers ]]
}

has_listeners() {
    [[ $(ctl --json netns list | jq .listeners) == "$1" ]]
}

value() { # KEY NUMBER
    printf 'density.%-28s %12s\n' "$1" "$2"
    jq -n --arg key "$1" --argjson value "$2" '{($key): $value}' \
        >>"$SB_DIR/values"
}

measure() { # COUNT
    local n=$1 before
    rm -f "$SB_DIR/tmp/answers" "$SB_DIR/tmp/end"
    (exec_as 0:0 vm netnses -u $USER -c "$SB_CG/work/each" -t 60000 \
        -p "${MSP_DENSITY_AT_ONCE:-8}" \
        -w "$SB_DIR/tmp/end" "$IMDS:80" "$n" >"$SB_DIR/tmp/answers") &
    SB_PIDS+=("$!")
    until_true 600 has_answers || die "$n namespaces were not made"
    [[ $(jq -c .results "$SB_DIR/tmp/answers") == "{\"200\":$n}" ]] ||
        note "$n: $(jq -c .results "$SB_DIR/tmp/answers")" \
            "$(grep '^<[34]>' "$SB_DIR/mspd.log" | tail -n 5)"
    value "load_average_$n" "$(cut -d' ' -f1 /proc/loadavg)"
    value ready_us "$(jq '.median_ms * 1000 | round' "$SB_DIR/tmp/answers")"
    value "ready_us_$n" "$(jq '.median_ms * 1000 | round' "$SB_DIR/tmp/answers")"
    value "ready_slowest_us_$n" \
        "$(jq '.slowest_ms * 1000 | round' "$SB_DIR/tmp/answers")"
    for name in mspd mspd-netns mspd-proxy mspd-keeper; do
        value "pss_kib_${name#mspd-}_$n" "$(pss_of "$(pid_of $name)")"
    done
    value "rss_mib_$n" "$(jq -n "$(pss_kib) / 102.4 | round / 10")"
    value "bpf_mib_$n" "$(jq -n "$(bpf_kib) / 102.4 | round / 10")"
    value "fds_mspd_$n" "$(fds "$SB_MSPD")"
    value "fds_proxy_$n" "$(fds "$(child_pid mspd-proxy)")"
    value "push_ms_$n" "$(push_ms)"
    before=$(ticks)
    sleep "$IDLE_S"
    # of a second, each second
    value "idle_cpu_us_$n" \
        "$(jq -n "($(ticks) - $before) * 10000 / $IDLE_S | round")"
    touch "$SB_DIR/tmp/end"
    wait "$!"
    until_true 60 has_listeners 1 || die "listeners of $n stay"
}

sandbox_up
sandbox_start_sim
sandbox_start_mspd
mkdir "$SB_CG/work/each"
for name in one two; do
    policy "$(item enforce deny \
        "$(rules "/metadata/versions" "\"uid\":$USER")")" >"$SB_DIR/$name.json"
done
sed -i "s/\"id\":\"test\"/\"id\":\"two\"/" "$SB_DIR/two.json"
push_policy "$(cat "$SB_DIR/one.json")"
maps
value bpf_base_mib "$(jq -n "$(bpf_kib) / 102.4 | round / 10")"
value rss_base_mib "$(jq -n "$(pss_kib) / 102.4 | round / 10")"
for n in ${MSP_DENSITY:-10 100 1000}; do
    measure "$n"
done
if [[ ${MSP_REPORT:-} ]]; then
    [[ -s $MSP_REPORT ]] || echo '{}' >"$MSP_REPORT"
    jq -s add "$SB_DIR/values" |
        jq --slurpfile all "$MSP_REPORT" '$all[0] + {density: .}' \
            >"$MSP_REPORT.new" && mv "$MSP_REPORT.new" "$MSP_REPORT"
fi
SB_QUIET=1 ok "measured"
sandbox_done >/dev/null
