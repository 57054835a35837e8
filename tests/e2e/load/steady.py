# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""One client that asks again and again until a file is gone.

    steady.py ID ADDR:PORT TARGET new|keep FLAG PAUSE_MS

`new`: a connection a request; `keep`: one connection for up to 50 requests.
A connection of several requests that ends without an answer is tried again on
a new one, as every HTTP client does. A line a try, times of CLOCK_MONOTONIC:
    {"id","seq","opened_ns","start_ns","end_ns","is_reused","result"}
result: the status, an errno name, "eof" or "timeout". The request carries
`x-client-id: ID-SEQ`, so the simulator's journal can be joined to it.
"""

import errno
import json
import os
import random
import socket
import sys
import time

REQUESTS_A_CONNECTION = 50
TIMEOUT_S = 20


def now():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


class Client:
    def __init__(self, name, to, target, keeps):
        host, port = to.rsplit(":", 1)
        self.name, self.to = name, (host, int(port))
        self.target, self.keeps = target, keeps
        self.socket, self.opened, self.asked, self.seq = None, 0, 0, 0

    def close(self):
        if self.socket:
            self.socket.close()
        self.socket = None

    def exchange(self):
        """The status of one answer; OSError, EOFError."""
        how = "keep-alive" if self.keeps else "close"
        self.socket.sendall(
            f"GET {self.target} HTTP/1.1\r\nHost: {self.to[0]}\r\n"
            f"Metadata: true\r\nx-client-id: {self.name}-{self.seq}\r\n"
            f"Connection: {how}\r\n\r\n".encode())
        data = b""
        while b"\r\n\r\n" not in data:
            more = self.socket.recv(65536)
            if not more:
                raise EOFError
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        fields = dict(line.lower().split(b":", 1)
                      for line in head.split(b"\r\n")[1:])
        wanted = int(fields.get(b"content-length", b"0"))
        while len(body) < wanted:
            more = self.socket.recv(65536)
            if not more:
                raise EOFError
            body += more
        if not self.keeps or b"close" in fields.get(b"connection", b""):
            self.close()
        return head.split()[1].decode()

    def once(self):
        self.seq += 1
        start = now()
        is_reused = self.socket is not None
        try:
            if not is_reused:
                self.opened, self.asked = start, 0
                self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
                self.socket.settimeout(TIMEOUT_S)
                self.socket.connect(self.to)
            result = self.exchange()
            self.asked += 1
        except EOFError:
            result = "eof"
        except socket.timeout:
            result = "timeout"
        except OSError as e:
            result = errno.errorcode.get(e.errno, "error")
        if not result.isdigit() or self.asked == REQUESTS_A_CONNECTION:
            self.close()
        print(json.dumps({"id": self.name, "seq": self.seq,
                          "opened_ns": self.opened, "start_ns": start,
                          "end_ns": now(), "is_reused": is_reused,
                          "result": result}))
        return is_reused and result in ("eof", "ECONNRESET", "EPIPE")


def main():
    name, to, target, how, flag, pause_ms = sys.argv[1:]
    client = Client(name, to, target, how == "keep")
    pause = float(pause_ms) / 1000
    while os.path.exists(flag):
        while client.once():
            pass
        time.sleep(random.uniform(pause / 2, pause * 3 / 2))


main()
