# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Waits for the next key that the simulator issues, and a little longer, then
kills a process: usage: killer.py JOURNAL PID DELAY_MS. Prints "issued", and
"latched" if the host had latched the key by then."""

import json
import os
import signal
import sys
import time

DEADLINE_S = 30


def events(journal):
    for line in journal:
        event = json.loads(line)
        if "event" in event:
            yield event["event"]


def main():
    path, pid, delay = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]) / 1000
    end = time.monotonic() + DEADLINE_S
    with open(path, encoding="utf-8") as journal:
        journal.seek(0, os.SEEK_END)
        print("ready", flush=True)
        while "issued" not in events(journal):
            if time.monotonic() > end:
                sys.exit("no key was issued")
            time.sleep(0.0005)
        # the length of this wait is what the test is about
        time.sleep(delay)
        os.kill(pid, signal.SIGKILL)
        print("latched" if "latched" in events(journal) else "issued")


main()
