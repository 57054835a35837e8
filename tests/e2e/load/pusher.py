# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Pushes policies in turn and says when.

    pusher.py COUNT MSPCTL SOCKET NAME=FILE...

A line a push: {"policy","send_ns","reply_ns"}, CLOCK_MONOTONIC before mspctl
is started and after it has ended. Between two pushes is a pause of random
length: only what begins and ends there has one right verdict.
"""

import json
import random
import subprocess
import sys
import time

PAUSE_S = (0.005, 0.040)


def now():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def main():
    count, mspctl, control = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    policies = [a.split("=", 1) for a in sys.argv[4:]]
    for i in range(count):
        name, path = policies[i % len(policies)]
        send = now()
        subprocess.run([mspctl, "--socket", control, "policy", "push", path],
                       check=True, stdout=subprocess.DEVNULL)
        print(json.dumps({"policy": name, "send_ns": send,
                          "reply_ns": now()}), flush=True)
        time.sleep(random.uniform(*PAUSE_S))


main()
