# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Containers without processes: cgroups, each registered with mspd.

    registrations.py SOCKET MOUNT BELOW COUNT

Makes COUNT cgroups below the path BELOW of the cgroup2 mount MOUNT and
registers each by the control protocol (include/msp/ctl.h), one after the
other. Prints the microseconds a registration took, the median. They go with
their cgroups.
"""

import os
import socket
import statistics
import struct
import sys
import time

MAGIC, VERSION, SET, OK = 0x4c544350534d0000, 1, 12, 0
HEADER = struct.Struct("=QHHIII")


def read_full(control, count):
    data = b""
    while len(data) < count:
        more = control.recv(count - len(data))
        if not more:
            sys.exit("mspd has hung up")
        data += more
    return data


def register(path, cgroup, number):
    record = (f"scgroup={cgroup}\nsid=id-{number}\nsname=web-{number % 100}\n"
              f"spod.namespace=ns-{number % 50}\nspod.name=pod-{number}\n\n")
    payload = record.encode()
    with socket.socket(socket.AF_UNIX) as control:
        control.connect(path)
        control.sendall(HEADER.pack(MAGIC, VERSION, SET, 0, len(payload), 0) +
                        payload)
        _, _, _, status, length, _ = HEADER.unpack(
            read_full(control, HEADER.size))
        answer = read_full(control, length)
    if status != OK:
        sys.exit(f"{cgroup}: status {status}: {answer.decode()}")


def main():
    path, mount, below, count = sys.argv[1:4] + [int(sys.argv[4])]
    took = []
    for number in range(count):
        cgroup = f"{below}/c{number}"
        os.mkdir(mount + cgroup)
        begin = time.monotonic_ns()
        register(path, cgroup, number)
        took.append(time.monotonic_ns() - begin)
    print(round(statistics.median(took) / 1000))


main()
