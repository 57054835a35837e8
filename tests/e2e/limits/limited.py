# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Clients of an endpoint with a rate limit. Prints one JSON object.

    limited.py burst   ADDR:PORT TARGET ID N
        N requests on one connection, as fast as they are answered
    limited.py greedy  ADDR:PORT TARGET ID SECONDS
        new connections one after the other, never waiting
    limited.py stubborn ADDR:PORT TARGET ID SECONDS
        64 connections that are kept, each asks again at once
    limited.py patient ADDR:PORT TARGET ID N
        one connection until N are served; waits as it is told to
    limited.py steady  ADDR:PORT TARGET ID N PAUSE_MS
        N requests, each on a new connection, one each PAUSE_MS whether those
        before are answered or not; prints microseconds as well

{"seconds", "results": {RESULT: COUNT}, "retry_after": [N...], "connects"}
RESULT: the status, or how it failed: an errno name, "eof". Every request
carries `x-client-id: ID`.
"""

import collections
import errno
import json
import selectors
import socket
import sys
import time

STUBBORN = 64
TIMEOUT_S = 20


class Client:
    def __init__(self, to, target, name):
        host, port = to.rsplit(":", 1)
        self.to = (host, int(port))
        self.text = (f"GET {target} HTTP/1.1\r\nHost: {host}\r\n"
                     f"Metadata: true\r\nx-client-id: {name}\r\n\r\n").encode()
        self.results = collections.Counter()
        self.retry_after = []
        self.us = []
        self.connects = 0
        self.begin = time.monotonic()

    def connect(self):
        s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        s.settimeout(TIMEOUT_S)
        self.connects += 1
        try:
            s.connect(self.to)
        except OSError:
            s.close()
            raise
        return s

    def answer(self, s):
        """Reads one answer. @return its status, a text"""
        data = b""
        while b"\r\n\r\n" not in data:
            more = s.recv(65536)
            if not more:
                raise EOFError
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        fields = dict(line.lower().split(b":", 1)
                      for line in head.split(b"\r\n")[1:])
        wanted = int(fields.get(b"content-length", b"0"))
        while len(body) < wanted:
            more = s.recv(65536)
            if not more:
                raise EOFError
            body += more
        status = head.split()[1].decode()
        if status == "429":
            self.retry_after.append(int(fields[b"retry-after"]))
        self.results[status] += 1
        return status

    def failed(self, e):
        self.results["eof" if isinstance(e, EOFError) else
                     errno.errorcode.get(e.errno, "timeout")] += 1

    def elapsed(self):
        return time.monotonic() - self.begin

    def once(self):
        """One request on a connection of its own."""
        start = time.monotonic_ns()
        try:
            with self.connect() as s:
                s.sendall(self.text)
                self.answer(s)
        except (OSError, EOFError) as e:
            self.failed(e)
        self.us.append((time.monotonic_ns() - start) // 1000)


def burst(c, n):
    with c.connect() as s:
        for _ in range(n):
            s.sendall(c.text)
            c.answer(s)


def greedy(c, seconds):
    while c.elapsed() < seconds:
        c.once()


def stubborn(c, seconds):
    selector = selectors.DefaultSelector()
    n_open = 0
    while c.elapsed() < seconds:
        while n_open < STUBBORN:
            try:
                s = c.connect()
            except OSError as e:
                c.failed(e)
                break
            s.sendall(c.text)
            selector.register(s, selectors.EVENT_READ)
            n_open += 1
        for key, _ in selector.select(0 if n_open < STUBBORN else 0.1):
            try:
                c.answer(key.fileobj)
                key.fileobj.sendall(c.text)
            except (OSError, EOFError) as e:
                c.failed(e)
                selector.unregister(key.fileobj)
                key.fileobj.close()
                n_open -= 1


def patient(c, n):
    with c.connect() as s:
        while c.results["200"] < n:
            s.sendall(c.text)
            if c.answer(s) == "429":
                time.sleep(c.retry_after[-1])


def steady(c, n, pause_ms):
    def answered(s, start):
        try:
            with s:
                c.answer(s)
        except (OSError, EOFError) as e:
            c.failed(e)
        c.us.append((time.monotonic_ns() - start) // 1000)

    selector = selectors.DefaultSelector()
    n_begun = 0
    while n_begun < n or selector.get_map():
        due = c.begin + n_begun * pause_ms / 1000 - time.monotonic()
        if n_begun < n and due <= 0:
            n_begun += 1
            start = time.monotonic_ns()
            try:
                s = c.connect()
                s.sendall(c.text)
                selector.register(s, selectors.EVENT_READ, start)
            except OSError as e:
                c.failed(e)
                c.us.append((time.monotonic_ns() - start) // 1000)
            continue
        for key, _ in selector.select(due if n_begun < n else TIMEOUT_S):
            selector.unregister(key.fileobj)
            answered(key.fileobj, key.data)


def main():
    how, to, target, name, *much = sys.argv[1:]
    c = Client(to, target, name)
    {"burst": burst, "greedy": greedy, "stubborn": stubborn,
     "patient": patient, "steady": steady}[how](c, *map(int, much))
    print(json.dumps({"seconds": c.elapsed(), "results": c.results,
                      "retry_after": sorted(set(c.retry_after)),
                      "connects": c.connects,
                      **({"us": c.us} if how == "steady" else {})}))


main()
