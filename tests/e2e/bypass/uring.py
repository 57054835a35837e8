# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""io_uring by system calls, for rings that more than one process uses."""
import ctypes
import mmap
import os
import socket
import struct
import time

from place import check, libc

SETUP, ENTER, REGISTER = 425, 426, 427
SQPOLL = 2
ENTER_GETEVENTS, ENTER_WAKEUP = 1, 2
OP_CONNECT, OP_SEND = 16, 26
REGISTER_PERSONALITY = 9
ENTRIES = 8
OFF_SQES = 0x10000000


class Ring:
    """Lives in shared mappings, so a child by fork() can submit too."""

    def __init__(self, is_polled):
        params = bytearray(struct.pack("=IIIII", 0, 0, SQPOLL if is_polled
                                       else 0, 0, 60000)) + bytes(100)
        buffer = (ctypes.c_char * len(params)).from_buffer(params)
        self.fd = check(libc.syscall(SETUP, ENTRIES, buffer))
        self.is_polled = is_polled
        sq = struct.unpack_from("=10I", params, 40)
        cq = struct.unpack_from("=10I", params, 80)
        sq_entries, cq_entries = struct.unpack_from("=II", params, 0)
        self.tail, self.array = sq[1], sq[6]
        self.done, self.cqes = cq[1], cq[5]
        size = max(self.array + 4 * sq_entries, self.cqes + 16 * cq_entries)
        self.rings = mmap.mmap(self.fd, size, mmap.MAP_SHARED, offset=0)
        self.shared = mmap.mmap(-1, 4096)
        self.sqes = mmap.mmap(self.fd, 64 * ENTRIES, mmap.MAP_SHARED,
                              offset=OFF_SQES)

    def personality(self):
        """The present credentials, for entries that name them."""
        return check(libc.syscall(REGISTER, self.fd, REGISTER_PERSONALITY,
                                  None, 0))

    def submit(self, op, fd, addr, length, off=0, personality=0):
        """One entry; waits for it. Its result: >= 0, or a negative errno."""
        tail, = struct.unpack_from("=I", self.rings, self.tail)
        done, = struct.unpack_from("=I", self.rings, self.done)
        slot = tail % ENTRIES
        struct.pack_into("=BBHiQQIIQHHiQQ", self.sqes, 64 * slot, op, 0, 0, fd,
                         off, addr, length, 0, 0, 0, personality, 0, 0, 0)
        struct.pack_into("=I", self.rings, self.array + 4 * slot, slot)
        struct.pack_into("=I", self.rings, self.tail, tail + 1)
        flags = ENTER_GETEVENTS | (ENTER_WAKEUP if self.is_polled else 0)
        check(libc.syscall(ENTER, self.fd, 1, 0 if self.is_polled else 1,
                           flags, None, 0))
        end = time.monotonic() + 5
        while struct.unpack_from("=I", self.rings, self.done)[0] == done:
            if time.monotonic() > end:
                raise TimeoutError
            time.sleep(0.001)
        return struct.unpack_from("=i", self.rings,
                                  self.cqes + 16 * (done % (2 * ENTRIES)) + 8)[0]

    def put(self, data):
        """Its address, for the owner too, whose memory a poll thread reads."""
        self.shared[0:len(data)] = data
        return ctypes.addressof(ctypes.c_char.from_buffer(self.shared))

    def connect(self, sock, address, personality=0):
        name = struct.pack("=H", socket.AF_INET) + struct.pack(
            "!H", address[1]) + socket.inet_aton(address[0]) + bytes(8)
        r = self.submit(OP_CONNECT, sock.fileno(), self.put(name), 0, 16,
                        personality)
        if r < 0:
            raise OSError(-r, os.strerror(-r))

    def send(self, sock, data):
        r = self.submit(OP_SEND, sock.fileno(), self.put(data), len(data))
        if r < 0:
            raise OSError(-r, os.strerror(-r))
