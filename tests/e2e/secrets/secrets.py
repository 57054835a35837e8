#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Looks for secrets where none may be. The secrets, 64 hex digits a line,
come from standard input, so that no argument and no file has them.

  secrets.py sniff DEVICE
      prints "watching", then each signature that goes by, one a line
  secrets.py forms
      prints "NAME HEX" of every form of the first secret, to plant them
  secrets.py files PATH...
      searches the files below; what is no regular file is left out
  secrets.py maps DUMP...
      searches keys and values in files of `bpftool -j map dump`
  secrets.py proc PID...
      tries to read every file of these processes, as whoever calls

A hit is a line "HIT FORM WHERE"; the last line is "searched N refused M", in
files or entries. Half of a secret is a hit: a cut one is no better.
"""
import base64
import json
import os
import re
import socket
import stat
import sys

CAP = 64 << 20


def forms(secret):
    raw = bytes.fromhex(secret)
    text = base64.b64encode(raw)
    url = base64.urlsafe_b64encode(raw)
    return {
        "raw": raw,
        "hex": raw.hex().encode(),
        "HEX": raw.hex().upper().encode(),
        "base64": text,
        "base64url": url,
        "base64-of-hex": base64.b64encode(raw.hex().encode()),
    }


def needles(secrets):
    """Halves of each form, by their bytes."""
    found = {}
    for number, secret in enumerate(secrets):
        for name, whole in forms(secret).items():
            half = len(whole.rstrip(b"=")) // 2
            found[whole[:half]] = f"{number}:{name}:first"
            found[whole[half:2 * half]] = f"{number}:{name}:second"
    return found


class Search:
    def __init__(self, secrets):
        self.needles = needles(secrets)
        self.hits = set()
        self.searched = 0
        self.refused = 0
        self.raw = [n for n, name in self.needles.items() if ":raw:" in name]
        self.lengths = {len(n) for n in self.needles}

    def bytes(self, where, data):
        self.searched += 1
        for needle in self.raw:
            if needle in data:
                self.hits.add(f"HIT {self.needles[needle]} {where}")
        # the other forms are text: look inside what could be such
        for run in re.finditer(rb"[A-Za-z0-9+/_-]{20,}", data):
            text = run.group()
            for length in self.lengths:
                for at in range(len(text) - length + 1):
                    name = self.needles.get(text[at:at + length])
                    if name:
                        self.hits.add(f"HIT {name} {where}")

    def file(self, path):
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            self.refused += 1
            return
        data = b""
        try:
            while len(data) < CAP:
                part = os.read(fd, 1 << 20)
                if not part:
                    break
                data += part
        except OSError:
            if not data:
                self.refused += 1
                return
        finally:
            os.close(fd)
        self.bytes(path, data)

    def tree(self, top, links):
        def refuse(_error):
            self.refused += 1

        if not os.path.isdir(top):
            self.file(top)
            return
        for folder, _, names in os.walk(top, onerror=refuse):
            for name in names:
                path = os.path.join(folder, name)
                mode = os.lstat(path).st_mode if not links else 0
                if links or stat.S_ISREG(mode):
                    self.file(path)

    def maps(self, path):
        with open(path, encoding="ascii") as dump:
            for entry in json.load(dump):
                for side in ("key", "value"):
                    digits = entry.get(side)
                    if isinstance(digits, list):
                        data = bytes(int(x, 16) for x in digits)
                        self.bytes(f"{path}:{side}", data)
        self.file(path)

    def proc(self, pid):
        """All of /proc/PID but its cwd and root, which lead out of it."""
        top = f"/proc/{pid}"
        for name in os.listdir(top):
            if name not in ("cwd", "root"):
                self.tree(f"{top}/{name}", links=True)

    def report(self):
        for hit in sorted(self.hits):
            print(hit)
        print(f"searched {self.searched} refused {self.refused}")


def sniff(device):
    line = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                         socket.htons(0x0003))
    line.bind((device, 0))
    print("watching", flush=True)
    signature = re.compile(rb"Azure-HMAC-SHA256 \S+ ([0-9A-Fa-f]{64})\r")
    while True:
        packet = line.recv(65535)
        for match in signature.finditer(packet):
            print(match.group(1).decode().lower(), flush=True)


def main():
    verb, *words = sys.argv[1:]
    if verb == "sniff":
        sniff(*words)
    secrets = sys.stdin.read().split()
    if verb == "forms":
        for name, data in forms(secrets[0]).items():
            print(name, data.hex())
        return
    search = Search(secrets)
    for word in words:
        if verb == "files":
            search.tree(word, links=False)
        elif verb == "maps":
            search.maps(word)
        elif verb == "proc":
            search.proc(word)
        else:
            raise SystemExit(2)
    search.report()


main()
