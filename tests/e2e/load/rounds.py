# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Judges what clients got while the agent was killed and started again.

    rounds.py GAPS JOURNAL DENIED-ID CLIENT-FILE...

GAPS: "KIND BEGIN END" a line, seconds of /proc/uptime. A try is outside if no
gap touches it. Prints {"outside","served","unserved","inside","retried",
"misjudged","unsigned","of_denied","lost","gap_ms"}: misjudged are a denied
client's tries that did not end in EPERM and an allowed one's that ended in
403 anywhere or in EPERM outside a gap; retried are reused connections that
ended without an answer, which the client asks again on a new one. To stderr,
the first tries that were not served, with the gap before.
"""

import bisect
import collections
import json
import sys
import time

CUT_NS = 10_000_000  # /proc/uptime is cut to hundredths: an end is later
ENDED = ("eof", "ECONNRESET", "EPIPE")


def lines(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def read_gaps(path):
    """Rows [kind, begin_ns, end_ns] of CLOCK_MONOTONIC, in order."""
    ahead = (time.clock_gettime_ns(time.CLOCK_BOOTTIME) -
             time.clock_gettime_ns(time.CLOCK_MONOTONIC))
    with open(path, encoding="utf-8") as f:
        rows = [line.split() for line in f]
    return [[kind, int(float(begin) * 1e9) - ahead,
             int(float(end) * 1e9) + CUT_NS - ahead]
            for kind, begin, end in rows]


class Judge:
    def __init__(self, gaps):
        self.gaps = gaps
        self.begins = [g[1] for g in gaps]
        self.count = collections.Counter()
        self.unserved = collections.Counter()

    def gap_before(self, end):
        """The last gap that began before `end`, or None."""
        i = bisect.bisect_right(self.begins, end) - 1
        return self.gaps[i] if i >= 0 else None

    def allowed(self, t):
        gap = self.gap_before(t["end_ns"])
        is_inside = gap is not None and gap[2] >= t["start_ns"]
        result = t["result"]
        self.count["misjudged"] += (result == "403" or
                                    result == "EPERM" and not is_inside)
        if is_inside:
            self.count["inside"] += 1
        elif t["is_reused"] and result in ENDED:
            self.count["retried"] += 1
        else:
            self.count["outside"] += 1
            self.count["served"] += result == "200"
            if result != "200":
                kind = gap[0] if gap else "none"
                self.unserved[f"{result} after {kind}"] += 1
                if sum(self.unserved.values()) <= 10:
                    late = (t["start_ns"] - gap[2]) / 1e6 if gap else 0
                    print(f"{late:.0f} ms after {kind}: {t}", file=sys.stderr)


def gap_lengths(gaps):
    """Per kind, median and maximum in ms."""
    by_kind = collections.defaultdict(list)
    for kind, begin, end in gaps:
        by_kind[kind].append((end - begin) // 1000000)
    return {k: [sorted(v)[len(v) // 2], max(v)] for k, v in by_kind.items()}


def main():
    gaps_path, journal_path, denied_id, *clients = sys.argv[1:]
    gaps = read_gaps(gaps_path)
    judge = Judge(gaps)
    count = judge.count
    seen = collections.Counter()
    for entry in lines(journal_path):
        seen[entry["client_id"]] += 1
        count["unsigned"] += entry["signed"] != "valid"
        count["of_denied"] += entry["client_id"].startswith(denied_id + "-")
    for path in clients:
        for t in lines(path):
            if t["id"] == denied_id:
                count["knocks"] += 1
                count["misjudged"] += t["result"] != "EPERM"
                continue
            judge.allowed(t)
            count["lost"] += (t["result"] == "200" and
                              seen[f'{t["id"]}-{t["seq"]}'] != 1)
    names = ("outside", "served", "inside", "retried", "knocks", "misjudged",
             "unsigned", "of_denied", "lost")
    print(json.dumps({**{name: count[name] for name in names},
                      "unserved": judge.unserved,
                      "gap_ms": gap_lengths(gaps)}))


main()
