# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Reads a shot a line, KIND HOW ADDRESS PORT, and says for each "ok" or the
errno that refused it.

HOW: connect, sendto, unspec (sendto, an address without a family), fastopen,
disconnect, make (the socket alone), bypass (a packet socket's option), keep
(connect, and do not close), again (send by the one that was kept).
"""
import ctypes
import errno
import socket
import struct
import sys

libc = ctypes.CDLL(None, use_errno=True)
NO_PROTOCOL = 253  # reserved for experiments: nobody speaks it
SOL_PACKET, PACKET_QDISC_BYPASS, AF_XDP = 263, 20, 44
MSG_FASTOPEN = 0x20000000

KINDS = {
    "tcp": (socket.AF_INET, socket.SOCK_STREAM, 0),
    "mptcp": (socket.AF_INET, socket.SOCK_STREAM, 262),
    "udp": (socket.AF_INET, socket.SOCK_DGRAM, 0),
    "lite": (socket.AF_INET, socket.SOCK_DGRAM, 136),
    "lite6": (socket.AF_INET6, socket.SOCK_DGRAM, 136),
    "sctp": (socket.AF_INET, socket.SOCK_STREAM, 132),
    "sctp6": (socket.AF_INET6, socket.SOCK_STREAM, 132),
    "raw": (socket.AF_INET, socket.SOCK_RAW, NO_PROTOCOL),
    "raw6": (socket.AF_INET6, socket.SOCK_RAW, NO_PROTOCOL),
    "rawtcp": (socket.AF_INET, socket.SOCK_RAW, 6),
    "icmp": (socket.AF_INET, socket.SOCK_RAW, 1),
    "ping": (socket.AF_INET, socket.SOCK_DGRAM, 1),
    "packet": (socket.AF_PACKET, socket.SOCK_RAW, 0),
    "cooked": (socket.AF_PACKET, socket.SOCK_DGRAM, 0),
    "xdp": (AF_XDP, socket.SOCK_RAW, 0),
}
ECHO = struct.pack("!BBHHH", 8, 0, 0xf7ff, 0, 0)


def call(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "")


def name_of(sock, address, port, family=None):
    """A sockaddr_in or sockaddr_in6, with another family if one is given."""
    family = sock.family if family is None else family
    if sock.family == socket.AF_INET6:
        return struct.pack("=HHI16sI", family, socket.htons(port), 0,
                           socket.inet_pton(socket.AF_INET6, address), 0)
    return struct.pack("=HH4s8x", family, socket.htons(port),
                       socket.inet_aton(address))


def shoot(kind, how, address, port, kept):
    data = ECHO if kind in ("icmp", "ping") else b"ping" * 5
    if how == "again":
        kept[0].send(data)
        return
    sock = socket.socket(*KINDS[kind])
    if how == "keep":
        sock.connect((address, port))
        kept.append(sock)
    elif how == "bypass":
        sock.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)
    elif how == "connect":
        if sock.type == socket.SOCK_STREAM and kind.startswith("sctp"):
            sock.setblocking(False)  # an answer is none of our business
        sock.connect((address, port))
    elif how == "sendto":
        sock.sendto(data, (address, port))
    elif how == "unspec":
        name = name_of(sock, address, port, socket.AF_UNSPEC)
        call(libc.sendto(sock.fileno(), data, len(data), 0, name, len(name)))
    elif how == "fastopen":
        sock.sendto(b"GET / HTTP/1.0\r\n\r\n", MSG_FASTOPEN, (address, port))
    elif how == "disconnect":
        name = name_of(sock, address, port, socket.AF_UNSPEC)
        call(libc.connect(sock.fileno(), name, len(name)))


def word(do):
    try:
        do()
    except BlockingIOError:
        pass  # EINPROGRESS: on its way
    except OSError as e:
        return errno.errorcode[e.errno]
    return "ok"


def main():
    kept = []
    for line in sys.stdin:
        kind, how, address, port = line.split()
        print(word(lambda: shoot(kind, how, address, int(port), kept)),
              flush=True)


main()
