# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Waits for an event in the simulator's journal, and a little longer, then
kills a process: usage: killer.py JOURNAL PID EVENT DELAY_MS. Prints how far the
host was by then: "asked", "issued" a key, or "latched" it."""

import json
import os
import signal
import sys
import time

DEADLINE_S = 60


def follow(journal, seen):
    for line in journal:
        event = json.loads(line).get("event")
        if event:
            seen.append(event)


def main():
    path, pid, wanted = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    delay = float(sys.argv[4]) / 1000
    end = time.monotonic() + DEADLINE_S
    seen = []
    with open(path, encoding="utf-8") as journal:
        journal.seek(0, os.SEEK_END)
        print("ready", flush=True)
        while wanted not in seen:
            if time.monotonic() > end:
                sys.exit(f"no {wanted}")
            time.sleep(0.0005)
            follow(journal, seen)
        # the length of this wait is what the test is about
        time.sleep(delay)
        os.kill(pid, signal.SIGKILL)
        follow(journal, seen)
    known = [event for event in seen if event in ("issued", "latched")]
    print(known[-1] if known else "asked")


main()
