# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Judges what clients got while policies were pushed.

    flips.py PUSHES JOURNAL RIGHT CLIENT-FILE...

RIGHT is JSON: {"outcomes": {policy: {client: result}}, "closes": bool}. A
policy may be in force from when its push was sent until the next one's
returned; a try may get what any policy gives that may be in force during it,
so one that touches no push has exactly one right outcome. If `closes`, a push
changes the identities: a connection older than it may be ended, or answered
503, without a verdict: "anew" has these by result, and by whether it was the
connection's first request. Prints {"decided","between","anew","wrong",
"windows","unsigned","leaked","lost"} and, to stderr, the first wrong ones.
"""

import bisect
import collections
import json
import sys

ENDED = ("eof", "ECONNRESET", "EPIPE", "503")


def lines(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f]


class Judge:
    def __init__(self, pushes, right):
        self.pushes = pushes
        self.sent = [p["send_ns"] for p in pushes]
        self.right = right
        self.count = collections.Counter()
        self.windows = set()
        self.decided = collections.Counter()
        self.anew = collections.Counter()

    def possible(self, begin, end):
        """Indices of the pushes whose policy may be in force at some time."""
        last = bisect.bisect_right(self.sent, end) - 1
        first = last
        while first > 0 and self.pushes[first]["reply_ns"] >= begin:
            first -= 1
        return range(max(first, 0), last + 1)

    def one(self, t):
        window = self.possible(t["start_ns"], t["end_ns"])
        outcomes = {self.right["outcomes"][self.pushes[i]["policy"]][t["id"]]
                    for i in window}
        if t["result"] in outcomes:
            if len(window) == 1:
                self.windows.add(window[0])
                self.decided[f'{t["id"]} {t["result"]}'] += 1
            else:
                self.count["between"] += 1
            return True
        opened = self.possible(t["opened_ns"], t["end_ns"])
        if self.right["closes"] and len(opened) > 1 and t["result"] in ENDED:
            reused = "reused" if t["is_reused"] else "first"
            self.anew[f'{t["result"]} {reused}'] += 1
            return True
        self.count["wrong"] += 1
        if self.count["wrong"] <= 5:
            print(f"wrong: {t}, right: {sorted(outcomes)}", file=sys.stderr)
        return False


def main():
    pushes_path, journal_path, right, *clients = sys.argv[1:]
    judge = Judge(lines(pushes_path), json.loads(right))
    seen = collections.Counter()
    unsigned = leaked = lost = 0
    for entry in lines(journal_path):
        seen[entry["client_id"]] += 1
        unsigned += entry["signed"] != "valid"
    for path in clients:
        for t in lines(path):
            judge.one(t)
            n = seen.pop(f'{t["id"]}-{t["seq"]}', 0)
            leaked += t["result"] in ("403", "503", "EPERM") and n > 0
            lost += t["result"] == "200" and n != 1
    print(json.dumps({
        "decided": judge.decided, "between": judge.count["between"],
        "anew": judge.anew, "wrong": judge.count["wrong"],
        "windows": len(judge.windows), "unsigned": unsigned,
        "leaked": leaked, "lost": lost, "nobodys": sum(seen.values())}))


main()
