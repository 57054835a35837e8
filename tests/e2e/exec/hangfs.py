#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A file system that mounts and then never answers: hangfs.py DIR.

Prints "mounted", then "asked" for each request it takes and keeps. Who asked
waits in the kernel and cannot even be killed, until this process ends.
"""
import ctypes
import os
import struct
import sys

FUSE_INIT = 26
HEADER = struct.Struct("=IIQQIIIHH")
MS_NOSUID, MS_NODEV = 2, 4


def main():
    fd = os.open("/dev/fuse", os.O_RDWR)
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"fd={fd},rootmode=40000,user_id=0,group_id=0,allow_other"
    if libc.mount(b"test", sys.argv[1].encode(), b"fuse",
                  MS_NOSUID | MS_NODEV, options.encode()):
        sys.exit(os.strerror(ctypes.get_errno()))
    print("mounted", flush=True)
    while True:
        request = os.read(fd, 1 << 17)
        _, opcode, unique = HEADER.unpack_from(request)[:3]
        if opcode != FUSE_INIT:
            print("asked", flush=True)
            continue
        # version 7.31, no feature, writes of a page; the rest is zero
        body = struct.pack("=IIIIHHI", 7, 31, 0, 0, 0, 0, 4096) + bytes(40)
        os.write(fd, struct.pack("=IiQ", 16 + len(body), 0, unique) + body)


main()
