#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Raw requests of a table, each with what client and host must see.

usage: conformance.py TABLE JOURNAL [FEWEST]

A row is: name | how | bytes | answer | journal | headers
how      whole; bytes (one a segment); N (pieces of N bytes); eof (no more will
         be sent); wire, hostga: another endpoint; host: the bytes are what
         the host answers to PUT /sim/raw, host-close: before it closes
bytes    as they are, with \\r \\n \\t \\0 \\xHH \\\\ \\p (for |), {X*N} for N times X, {H}
         for the Host line, {get T} and {post HEADERS} for whole heads
answer   statuses in order, then open or close; 200=TEXT wants that body
journal  METHOD TARGET BODY-BYTES SIGNED; more of them after a semicolon;
         - for none. Not looked at with host: it is that one request
headers  optional: has NAME: VALUE, not NAME; more after a semicolon

After each row a request of our own must get its own answer: on the same
connection if it is to be open, else on another one, where the host's side may
be an old one. A line is printed for each row that is not as it must be.
"""

import json
import re
import socket
import sys

IMDS, WIRE = "169.254.169.254", "168.63.129.16"
PLACES = {"wire": (WIRE, 80), "hostga": (WIRE, 32526)}
SENTINEL = 299  # what only our own request is answered with
ESCAPES = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "\\": "\\", "p": "|"}


def expand(text, addr):
    host = f"Host: {addr}\r\n"
    text = re.sub(r"\{get ([^}]*)\}",
                  r"GET \1 HTTP/1.1\\r\\n{H}\\r\\n", text)
    text = re.sub(r"\{post ([^}]*)\}",
                  r"POST /sim/echo HTTP/1.1\\r\\n{H}\1\\r\\n\\r\\n", text)
    text = re.sub(r"\\(x[0-9a-fA-F]{2}|.)", lambda m: (
        chr(int(m[1][1:], 16)) if len(m[1]) > 1 else ESCAPES[m[1]]), text)
    text = text.replace("{H}", host)
    text = re.sub(r"\{(.+?)\*(\d+)\}", lambda m: m[1] * int(m[2]), text,
                  flags=re.S)
    return text.encode("latin-1")


class Fault(Exception):
    pass


class Client:
    """One connection, and a strict reader of what comes back."""

    def __init__(self, place):
        self.sock = socket.create_connection(place, 20)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.data = b""
        self.is_ended = False

    def send(self, data, step):
        try:
            for at in range(0, len(data), step):
                self.sock.sendall(data[at:at + step])
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before it was all there: the answer counts

    def more(self):
        if self.is_ended:
            return False
        try:
            got = self.sock.recv(65536)
        except ConnectionResetError:
            got = b""
        except TimeoutError:
            raise Fault("no answer") from None
        self.data += got
        self.is_ended = not got
        return not self.is_ended

    def take(self, n):
        while len(self.data) < n:
            if not self.more():
                raise Fault(f"cut short: {self.data[:80]!r}")
        part, self.data = self.data[:n], self.data[n:]
        return part

    def line(self):
        while b"\r\n" not in self.data:
            if not self.more():
                raise Fault(f"cut short: {self.data[:80]!r}")
        part, self.data = self.data.split(b"\r\n", 1)
        return part

    def chunks(self):
        body = b""
        while True:
            line = self.line()
            if not re.fullmatch(rb"[0-9a-fA-F]+(;.*)?", line):
                raise Fault(f"no chunk: {line[:80]!r}")
            size = int(line.partition(b";")[0], 16)
            body += self.take(size)
            if size == 0:
                if self.line():
                    raise Fault("a trailer came through")
                return body
            if self.take(2) != b"\r\n":
                raise Fault("chunk without its end")

    def answer(self, is_head):
        first = self.line()
        match = re.fullmatch(rb"HTTP/1\.1 (\d{3}) [^\r\n]*", first)
        if not match:
            raise Fault(f"no status line: {first[:80]!r}")
        status, headers = int(match[1]), []
        while True:
            line = self.line()
            if not line:
                break
            name, _, value = line.partition(b":")
            headers.append((name.lower(), value.strip()))
        lengths = [v for n, v in headers if n == b"content-length"]
        is_chunked = (b"transfer-encoding", b"chunked") in headers
        if len(lengths) + is_chunked > 1:
            raise Fault("two framings in one answer")
        if status < 200 or status in (204, 304) or is_head:
            return status, b""
        if is_chunked:
            return status, self.chunks()
        if lengths:
            return status, self.take(int(lengths[0]))
        while self.more():
            pass
        body, self.data = self.data, b""
        return status, body

    def end(self):
        while self.more():
            pass
        if self.data:
            raise Fault(f"more than its answers: {self.data[:80]!r}")

    def close(self):
        self.sock.close()


class Journal:
    def __init__(self, path):
        self.file = open(path, encoding="utf-8")
        self.news()

    def news(self):
        """Requests since the last time."""
        found = [json.loads(line) for line in self.file]
        return [e for e in found if "endpoint" in e]


def entry_text(entry):
    text = "{method} {target} {body_bytes} {signed}".format(**entry)
    return text + (" MALFORMED" if "malformed" in entry else "")


def ask_ours(client, place, journal):
    request = (f"GET /sim/status/{SENTINEL} HTTP/1.1\r\n"
               f"Host: {place[0]}\r\n\r\n")
    client.send(request.encode(), len(request))
    status, _ = client.answer(False)
    if status != SENTINEL:
        raise Fault(f"the next request got {status}")
    entries = [entry_text(e) for e in journal.news()]
    if entries != [f"GET /sim/status/{SENTINEL} 0 valid"]:
        raise Fault(f"the next request at the host: {entries}")


def check_headers(wanted, entry):
    headers = entry["headers"]
    for want in filter(None, (w.strip() for w in wanted.split(";"))):
        word, _, rest = want.partition(" ")
        if word == "has":
            is_ok = rest in headers
        else:
            is_ok = not any(h.lower().startswith(rest.lower() + ":")
                            for h in headers)
        if not is_ok:
            raise Fault(f"{want}: {headers}")


def check_answers(client, wanted, sent):
    methods = re.findall(rb"(?:^|\n)([A-Z]+) [^\n]* HTTP/1\.[01]\r\n", sent)
    is_head = bool(methods) and all(m == b"HEAD" for m in methods)
    for want in wanted[:-1]:
        number, _, body_wanted = want.partition("=")
        status, body = client.answer(is_head)
        if status != int(number):
            raise Fault(f"status {status}, wanted {number}: {body[:100]!r}")
        if "=" in want and body != body_wanted.encode():
            raise Fault(f"body {body[:100]!r}")


def run(row, journal):
    name, how, text, answer, entries_wanted, headers = row
    words = how.split()
    place = next((PLACES[w] for w in words if w in PLACES), (IMDS, 80))
    data = expand(text, place[0])
    if "host" in words or "host-close" in words:
        path = "/sim/raw" if "host" in words else "/sim/raw-close"
        entries_wanted = f"PUT {path} {len(data)} valid"
        data = (f"PUT {path} HTTP/1.1\r\nHost: {place[0]}\r\n"
                f"Content-Length: {len(data)}\r\n\r\n").encode() + data
    step = next((int(w) for w in words if w.isdigit()), len(data) or 1)
    client = Client(place)
    try:
        client.send(data, 1 if "bytes" in words else step)
        if "eof" in words:
            client.sock.shutdown(socket.SHUT_WR)
        wanted = answer.split()
        check_answers(client, wanted, data)
        if wanted[-1] == "close":
            client.end()
            client.close()
        found = journal.news()
        entries = "; ".join(entry_text(e) for e in found) or "-"
        if entries != expand(entries_wanted, place[0]).decode():
            raise Fault(f"at the host: {entries}")
        if headers:
            check_headers(expand(headers, place[0]).decode(), found[0])
        if wanted[-1] == "close":
            client = Client(place)
        ask_ours(client, place, journal)
    finally:
        client.close()
        journal.news()


def read_rows(path):
    with open(path, encoding="ascii") as f:
        for number, line in enumerate(f, 1):
            if not line.strip() or line.startswith("#"):
                continue
            cells = [c.strip() for c in line.rstrip("\n").split(" | ")]
            if len(cells) not in (5, 6):
                sys.exit(f"{path}:{number}: {len(cells)} cells")
            yield cells + [""] * (6 - len(cells))


def main():
    rows = list(read_rows(sys.argv[1]))
    names = {row[0] for row in rows}
    fewest = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    if len(names) != len(rows) or len(rows) < fewest:
        sys.exit(f"{len(rows)} rows, {len(names)} names; wanted {fewest}")
    journal = Journal(sys.argv[2])
    bad = 0
    for row in rows:
        try:
            run(row, journal)
        except (Fault, OSError) as fault:
            bad += 1
            print(f"{row[0]}: {fault}")
    print(f"{len(rows)} rows, {bad} not as they must be")
    sys.exit(1 if bad else 0)


main()
