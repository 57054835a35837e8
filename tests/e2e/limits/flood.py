# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Makes more audit rows than there is room for: denied connects, each by
another {cgroup, user, endpoint}. Started as root.

    flood.py CGROUP N-CGROUPS FIRST-UID ADDR:PORT...

Makes CGROUP/0, CGROUP/1, ... and connects from each as 17 users (the last one
stands for all beyond 16) to each address. Prints how many were denied.
"""

import os
import socket
import sys

USERS = 17


def is_denied(addr):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
        try:
            s.connect(addr)
        except PermissionError:
            return True
        return False


def main():
    top, n_cgroups, first = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    to = [(a.split(":")[0], int(a.split(":")[1])) for a in sys.argv[4:]]
    denied = 0
    for i in range(n_cgroups):
        path = os.path.join(top, str(i))
        os.mkdir(path)
        with open(os.path.join(path, "cgroup.procs"), "w") as f:
            f.write(str(os.getpid()))
        for uid in range(first, first + USERS):
            os.seteuid(uid)
            denied += sum(is_denied(addr) for addr in to)
            os.seteuid(0)
    print(denied)


main()
