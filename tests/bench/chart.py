# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""usage: chart.py REPORT SVG: what was measured beside its bar.

Prints a table and draws the same: how much of its bar each number takes. For
a number that must not be below its bar that is bar over number, so everywhere
less than 1 is better.
"""

import html
import json
import sys

# (bench, key, bar, whether more is better, what it is)
BARS = [
    ("connect", "other_ns_over_empty", 10, False,
     "connect, other port: ns over an empty program"),
    ("connect", "sameport_ns_over_empty", 25, False,
     "connect, same port elsewhere: ns over an empty program"),
    ("connect", "tcp_points_over_empty", 3, False,
     "TCP connect, accept, close: % over empty programs"),
    ("connect", "bulk_tcp_ratio", 0.97, True, "bulk TCP, to empty programs"),
    ("connect", "udp_ratio", 0.97, True, "UDP packets, to empty programs"),
    ("connect", "verdict_ns", 900, False, "who the caller is, ns"),
    ("connect", "denied_ns", 1500, False, "connect denied, ns"),
    ("connect", "allowed_ns", 2200, False, "connect allowed, ns"),
    ("connect", "flatness", 1.2, False,
     "connect in one container, of 10,000 over of 10"),
    ("connect", "flatness_random", 1.6, False,
     "connect in any container, of 10,000 over of 10"),
    ("authorize", "ns", 2000, False, "authorize, ns"),
    ("proxy", "keepalive_ratio_haproxy", 1.5, True,
     "signed requests a CPU-second, to HAProxy"),
    ("proxy", "newconn_ratio_haproxy", 1.0, True,
     "the same, a connection each"),
    ("proxy", "added_p99_rtt", 1.5, False,
     "latency added at p99, in loopback round trips"),
    ("compile", "ms", 10, False, "compile 1,000 rules, ms"),
    ("push", "containers_10000_ms", 200, False,
     "policy push with 10,000 containers, ms"),
    ("flood", "p99_ratio_limited", 2, False,
     "p99 beside a container that floods, with a limit, to idle"),
    ("flood", "p99_ratio_unlimited", 2, False, "the same without a limit"),
    ("density", "rss_mib_1000", 12, False, "memory at 1,000 containers, MiB"),
    ("density", "bpf_base_mib", 2, False, "BPF maps at start, MiB"),
]

ROW = 26
LEFT = 400
SCALE = 240  # pixels of a bar that is just met
RIGHT = 240


def rows(report):
    for bench, key, bar, is_more_better, text in BARS:
        value = report.get(bench, {}).get(key)
        if value is None:
            continue
        part = bar / value if is_more_better and value > 0 else value / bar
        if is_more_better and value <= 0:
            part = float("inf")
        sign = ">=" if is_more_better else "<="
        yield text, f"{value:g}", f"{sign} {bar:g}", max(part, 0)


def about(report):
    return (f"{report.get('machine', 'unknown machine')}; commit "
            f"{report.get('commit', 'unknown')}; proxy: "
            f"{report.get('proxy', {}).get('runs', 0)} rounds")


def table(report, found):
    print(about(report))
    for text, value, bar, part in found:
        print(f"{text:56} {value:>10}  {bar:>8}  {part:6.2f}"
              f"{'' if part <= 1 else '  MISSED'}")


def svg(report, found):
    height = ROW * (len(found) + 2)
    width = LEFT + 2 * SCALE + RIGHT
    line = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
            f'height="{height}" font-family="sans-serif" font-size="13">',
            f'<rect width="{width}" height="{height}" fill="white"/>',
            f'<text x="8" y="17">{html.escape(about(report))}</text>']
    for i, (text, value, bar, part) in enumerate(found):
        y = ROW * (i + 1) + 8
        color = "#2a7f62" if part <= 1 else "#b3402a"
        line.append(f'<text x="8" y="{y + 14}">{html.escape(text)}</text>')
        line.append(f'<rect x="{LEFT}" y="{y}" height="{ROW - 8}" '
                    f'width="{min(part, 2) * SCALE:.0f}" fill="{color}"/>')
        line.append(f'<text x="{LEFT + 2 * SCALE + 8}" y="{y + 14}">'
                    f'{html.escape(f"{value} (bar {bar})")}</text>')
    line.append(f'<line x1="{LEFT + SCALE}" x2="{LEFT + SCALE}" y1="{ROW}" '
                f'y2="{height}" stroke="black" stroke-dasharray="4"/>')
    return "\n".join(line + ["</svg>", ""])


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        report = json.load(f)
    found = list(rows(report))
    table(report, found)
    with open(sys.argv[2], "w", encoding="utf-8") as f:
        f.write(svg(report, found))


main()
