# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""usage: summary.py LINES [REPORT]: medians and ratios of a run, as a table.

A ratio is the median of the ratios of each round, whose parts lie seconds
apart. The keys of the report are those of 16 connections and 200 bytes; the
added latency is that of one connection, as bench_rtt measures it.
"""

import json
import os
import statistics
import sys

ORDER = ["direct", "floor", "nginx", "haproxy", "mspd"]
KEPT = ("keepalive", 16, 200)
NEW = ("newconn", 16, 200)
PLACEMENTS = [("two-cpus", "candidate on a CPU of its own"),
              ("one-cpu", "all on one CPU")]


def shape(line):
    return line["kind"], line["n"], line["size"]


def per_second(line):
    return line["requests"] / line["us"] * 1e6


def per_cpu(line):
    return line["requests"] / line["cpu"] if line["cpu"] else 0


def median(lines, value):
    return statistics.median(map(value, lines))


def ratio(lines, value, name, other):
    """name over other, in each round."""
    rounds = {}
    for line in lines:
        rounds.setdefault(line["round"], {})[line["name"]] = value(line)
    found = [r[name] / r[other] for r in rounds.values()
             if r.get(name) and r.get(other)]
    return statistics.median(found) if found else None


def print_shape(lines, key):
    kind, n, size = key
    print(f"{kind}, {n} connections, {size} bytes")
    for name in ORDER:
        mine = [x for x in lines if x["name"] == name]
        if not mine:
            continue
        cpu = median(mine, per_cpu)
        print(f"  {name:8} {median(mine, per_second):9.0f} /s"
              f" {cpu:9.0f} /CPU-s"
              f" {median(mine, lambda x: x['sleeps'] / (x['requests'] or 1)):5.2f} sleeps"
              f"  p50 {median(mine, lambda x: x['p50']):6.0f}"
              f"  p99 {median(mine, lambda x: x['p99']):6.0f} us"
              f"  PSS {median(mine, lambda x: x['pss_kib']) / 1024:5.1f} MiB"
              f"  errors {sum(x['errors'] for x in mine)}")
    for other in ORDER[1:-1]:
        found = ratio(lines, per_cpu, "mspd", other)
        if found:
            print(f"  mspd over {other}, per CPU-second: {found:.2f}")


def added(rtts, which, name, placement):
    """What a proxy adds at p50 or p99, in round trips at theirs."""
    lines = {(x["round"], x["name"]): x[which] for x in rtts
             if x["placement"] == placement}
    found = [(lines[r, name] - lines[r, "direct"]) / lines[r, "pingpong"]
             for r in {r for r, _ in lines}
             if (r, name) in lines and (r, "direct") in lines]
    return statistics.median(found) if found else None


def print_rtts(rtts):
    for placement, what in PLACEMENTS:
        mine = [x for x in rtts if x["placement"] == placement]
        if not mine:
            continue
        print(f"one connection, 200 bytes, one request after the other, {what}")
        for name in ["pingpong"] + ORDER:
            group = [x for x in mine if x["name"] == name]
            if not group:
                continue
            print(f"  {name:8} p50 {median(group, lambda x: x['p50']):6.1f}"
                  f"  p99 {median(group, lambda x: x['p99']):6.1f} us", end="")
            more = [added(rtts, which, name, placement)
                    for which in ("p50", "p99")]
            if name in ORDER[1:] and None not in more:
                print(f"  adds {more[0]:.2f} and {more[1]:.2f} round trips",
                      end="")
            print()


def machine():
    model = "unknown"
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
    return f"{model}, {os.cpu_count()} CPUs, Linux {os.uname().release}"


def commit():
    with os.popen("git -C \"$MSP_SOURCE\" describe --always --dirty") as f:
        return f.read().strip() or "unknown"


def numbers(by_shape, rtts):
    values = {
        "keepalive_ratio_haproxy":
            ratio(by_shape.get(KEPT, []), per_cpu, "mspd", "haproxy"),
        "newconn_ratio_haproxy":
            ratio(by_shape.get(NEW, []), per_cpu, "mspd", "haproxy"),
    }
    for placement, suffix in ("two-cpus", ""), ("one-cpu", "_one_cpu"):
        for name, prefix in ("mspd", ""), ("floor", "floor_"), \
                ("haproxy", "haproxy_"):
            for which in "p99", "p50":
                values[f"{prefix}added_{which}_rtt{suffix}"] = \
                    added(rtts, which, name, placement)
        pings = [x for x in rtts if x["name"] == "pingpong"
                 and x["placement"] == placement]
        if pings:
            values[f"pingpong_p99_us{suffix}"] = \
                median(pings, lambda x: x["p99"])
    for (kind, n, size), lines in sorted(by_shape.items()):
        found = ratio(lines, per_cpu, "mspd", "haproxy")
        values[f"{kind}_{n}_{size}_ratio_haproxy"] = found
        for name in ORDER[1:]:
            mine = [x for x in lines if x["name"] == name]
            if mine:
                values[f"{kind}_{n}_{size}_{name}_per_cpu_s"] = \
                    round(median(mine, per_cpu))
    return {k: round(v, 3) for k, v in values.items() if v is not None}


def add_to(path, values, runs):
    report = {}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as f:
            report = json.load(f)
    report.update(machine=machine(), commit=commit())
    report["proxy"] = values | {"runs": runs, "machine": machine(),
                                "commit": commit()}
    with open(path + ".new", "w", encoding="utf-8") as f:
        json.dump(report, f, indent=2)
        f.write("\n")
    os.rename(path + ".new", path)


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        lines = [json.loads(line) for line in f]
    rtts = [x for x in lines if "placement" in x]
    by_shape = {}
    for line in lines:
        if "kind" in line:
            by_shape.setdefault(shape(line), []).append(line)
    for key, group in by_shape.items():
        print_shape(group, key)
    print_rtts(rtts)
    served = [x for x in lines if x["name"] == "mspd" and "kind" in x]
    if served:
        print("mspd itself, for the log: "
              f"{sum(x['mspd_cpu'] for x in served) * 1e6 / sum(x['requests'] for x in served):.2f}"
              " us of CPU a request")
    values = numbers(by_shape, rtts)
    for key in "keepalive_ratio_haproxy", "newconn_ratio_haproxy", \
            "added_p99_rtt", "added_p99_rtt_one_cpu":
        if key in values:
            print(f"proxy.{key:28} {values[key]:.3f}")
    if len(sys.argv) > 2:
        add_to(sys.argv[2], values, len({x["round"] for x in lines}))


main()
