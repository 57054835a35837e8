#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Hosts and clients that are slow, stop, or go away in the middle.

usage: slow.py host ADDR PORT READY   serves until it is ended
       slow.py ask ADDR PORT          all rows of the table at once; one line
                                      each: NAME, ok or what was wrong

What a host does is in the target it is asked for; what a client does in the
row. Every deadline is told from no deadline by its time.
"""

import re
import socket
import struct
import sys
import threading
import time

HEAD_S, BODY_S, FIRST_S = 5, 30, 30
LATE_S = 10  # that much later is still in time: the machine may be busy


def hard_close(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                    struct.pack("ii", 1, 0))
    sock.close()


def trickle(sock, data, seconds=1.0):
    for at in range(len(data)):
        sock.sendall(data[at:at + 1])
        time.sleep(seconds)


# --- the host ----------------------------------------------------------------

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"


def serve_target(sock, target):
    """@return whether the connection goes on"""
    if target == "/silent":
        sock.recv(1)  # until the other side has had enough
        return False
    if target == "/reset-early":
        hard_close(sock)
        return False
    if target == "/reset-middle":
        sock.sendall(OK + b"ab")
        time.sleep(0.3)  # what was sent is not to be lost with it
        hard_close(sock)
        return False
    if target == "/reset-unmeasured":
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\nab")
        time.sleep(0.3)
        hard_close(sock)
        return False
    if target == "/stop-middle":
        sock.sendall(OK + b"ab")
        sock.recv(1)
        return False
    if target == "/close-middle":
        sock.sendall(OK + b"ab")
        return False
    if target == "/trickle-head":
        trickle(sock, OK + b"abcde")
        return True
    if target == "/trickle-body":
        sock.sendall(OK)
        trickle(sock, b"abcde")
        return True
    if target == "/large":
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n")
        for _ in range(50):
            sock.sendall(b"x" * 1000000)
        return True
    if target in ("/bad-chunk", "/bad-first-chunk"):
        data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        if target == "/bad-chunk":
            sock.sendall(data + b"2\r\nab\r\n")
            time.sleep(0.3)
            data = b""
        # with its head in one piece: nothing of it is on its way yet
        sock.sendall(data + b"z\r\n0\r\n\r\n" + OK + b"wrong")
        return True
    if target == "/storm":
        while True:  # of interim answers
            sock.sendall(b"HTTP/1.1 102 Processing\r\n\r\n" * 100)
    match = re.fullmatch(r"/status/(\d+)", target)
    if match:
        sock.sendall(f"HTTP/1.1 {match[1]} No\r\nRetry-After: 7\r\n"
                     "Content-Length: 5\r\n\r\nabcde".encode())
        return True
    sock.sendall(OK + b"abcde")
    return True


def serve(sock):
    data = b""
    try:
        goes_on = True
        while goes_on:
            while b"\r\n\r\n" not in data:
                got = sock.recv(65536)
                if not got:
                    return
                data += got
            head, data = data.split(b"\r\n\r\n", 1)
            goes_on = serve_target(sock, head.split(b" ")[1].decode())
    except OSError:
        pass
    finally:
        sock.close()


def host(addr, port, ready):
    listener = socket.create_server((addr, port), backlog=256)
    with open(ready, "w", encoding="ascii") as f:
        f.write("ready\n")
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],),
                         daemon=True).start()


# --- clients -----------------------------------------------------------------

def get(target, place):
    return f"GET {target} HTTP/1.1\r\nHost: {place[0]}:{place[1]}\r\n\r\n"


def post(place, length):
    return (f"POST /plain HTTP/1.1\r\nHost: {place[0]}:{place[1]}\r\n"
            f"Content-Length: {length}\r\n\r\n")


def read_all(sock, ends=(b"abcde", b"}\n")):
    """All until the other side ends, or the last of an answer is there."""
    data = b""
    try:
        while True:
            got = sock.recv(65536)
            if not got:
                return data, "end"
            data += got
            if data.endswith(ends):
                return data, "whole"
    except ConnectionResetError:
        return data, "reset"


def plain(sock, target, place):
    sock.sendall(get(target, place).encode())
    return read_all(sock)


def slow_head(sock, _, place):
    try:
        trickle(sock, get("/plain", place).encode())
    except OSError:
        pass
    return read_all(sock)


def slow_body(sock, _, place):
    sock.sendall(post(place, 100).encode())
    try:
        trickle(sock, b"x" * 100)
    except OSError:
        pass
    return read_all(sock)


def half_closed(sock, target, place):
    sock.sendall(get(target, place).encode())
    sock.shutdown(socket.SHUT_WR)
    return read_all(sock)


def half_head(sock, _, place):
    sock.sendall(get("/plain", place).encode()[:30])
    sock.shutdown(socket.SHUT_WR)
    return read_all(sock)


def reads_nothing(sock, target, place):
    sock.sendall(get(target, place).encode())
    time.sleep(BODY_S + LATE_S)
    size = 0
    try:
        while True:
            got = sock.recv(1 << 20)
            if not got:
                break
            size += len(got)
    except ConnectionResetError:
        pass
    return b"%d" % size, "cut" if size < 50000000 else "whole"


def two_at_once(sock, target, place):
    """The one after must get its own answer, or none."""
    sock.sendall((get(target, place) + get("/status/299", place)).encode())
    return read_all(sock, (b"abcde",))


# name: client, target, seconds at least, status or 0, how it ends, the body
ROWS = {
    "host says nothing": (plain, "/silent", FIRST_S, 504, "whole", None),
    "host resets at once": (plain, "/reset-early", 0, 502, "whole", None),
    "host resets in the middle":
        (plain, "/reset-middle", 0, 200, "cut", b"ab"),
    "host resets an answer that ends with the connection":
        (plain, "/reset-unmeasured", 0, 200, "reset", b"ab"),
    "host closes in the middle":
        (plain, "/close-middle", 0, 200, "cut", b"ab"),
    "host stops in the middle":
        (plain, "/stop-middle", BODY_S, 200, "cut", b"ab"),
    "a byte of the answer's head a second":
        (plain, "/trickle-head", FIRST_S, 504, "whole", None),
    "a byte of the answer's body a second":
        (plain, "/trickle-body", 4, 200, "whole", b"abcde"),
    "host sends a bad chunk, then an answer":
        (two_at_once, "/bad-chunk", 0, 200, "cut", b"2\r\nab\r\n"),
    "host begins with a bad chunk":
        (two_at_once, "/bad-first-chunk", 0, 502, "two", None),
    "host sends interim answers for ever":
        (plain, "/storm", 0, 502, "whole", None),
    "429 of the host": (plain, "/status/429", 0, 429, "whole", b"abcde"),
    "503 of the host": (plain, "/status/503", 0, 503, "whole", b"abcde"),
    "500 of the host": (plain, "/status/500", 0, 500, "whole", b"abcde"),
    "a byte of a head a second": (slow_head, "", HEAD_S, 408, "any", None),
    "a byte of a body a second": (slow_body, "", BODY_S, 408, "any", None),
    "half closed after the request":
        (half_closed, "/trickle-body", 4, 200, "whole", b"abcde"),
    "half closed in the head": (half_head, "", 0, 0, "any", None),
    "a client that reads nothing":
        (reads_nothing, "/large", BODY_S, None, "cut", None),
}


def judge(row, data, end, seconds):
    _, target, at_least, status, end_wanted, body = row
    if seconds < at_least - 0.5:
        return f"after {seconds:.1f} s already"
    if seconds > at_least + LATE_S * (2 if end_wanted == "cut" else 1):
        return f"after {seconds:.1f} s only"
    if end_wanted == "cut" and end == "whole":
        return f"whole: {data[:200]!r}"
    if end_wanted in ("whole", "reset") and end != end_wanted:
        return f"{end}: {data[:200]!r}"
    if status is None:
        return "ok"
    match = re.match(rb"HTTP/1\.1 (\d{3}) ", data)
    if (int(match[1]) if match else 0) != status:
        return f"{data[:200]!r}"
    own = 2 if end_wanted == "two" else 1  # the next request's, its own
    if (data.count(b"HTTP/1.1 ") > own or b"wrong" in data or
            data.count(b"HTTP/1.1 299 ") != own - 1):
        return f"more than its answer: {data[:400]!r}"
    got = data.partition(b"\r\n\r\n")[2]
    if body is not None and got != body:
        return f"body {got[:100]!r}"
    if target.startswith("/status/") and b"\r\nRetry-After: 7\r\n" not in data:
        return f"Retry-After is not there: {data[:200]!r}"
    return "ok"


def ask_row(name, row, place, results):
    try:
        sock = socket.create_connection(place, 20)
        sock.settimeout(BODY_S + 2 * LATE_S)
        start = time.monotonic()
        data, end = row[0](sock, row[1], place)
        results[name] = judge(row, data, end, time.monotonic() - start)
        sock.close()
    except OSError as error:
        results[name] = repr(error)


def ask(place):
    results = {}
    threads = [threading.Thread(target=ask_row, args=(n, r, place, results))
               for n, r in ROWS.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in ROWS:
        print(f"{name}: {results[name]}")


if sys.argv[1] == "host":
    host(sys.argv[2], int(sys.argv[3]), sys.argv[4])
else:
    ask((sys.argv[2], int(sys.argv[3])))
