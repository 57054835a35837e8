# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Counts a secret in the memory of a process: usage: memory.py PID, the secret,
hex digits, on standard input. Prints how often it is there as bytes, and as text
of either case; half of it is a hit."""

import re
import sys


PAGE = 4096


def read(memory, start, end):
    """What can be read of it: not the pages behind the end of a file, and of
    devices."""
    data = b""
    memory.seek(start)
    try:
        return memory.read(end - start)
    except OSError:
        pass
    for at in range(start, end, PAGE):
        memory.seek(at)
        try:
            data += memory.read(PAGE)
        except OSError:
            continue
    return data


def main():
    secret = bytes.fromhex(sys.stdin.read().strip())
    half = len(secret) // 2
    forms = {"bytes": secret[:half], "hex": secret.hex()[:half].encode(),
             "HEX": secret.hex().upper()[:half].encode()}
    found = dict.fromkeys(forms, 0)
    with open(f"/proc/{sys.argv[1]}/maps", encoding="utf-8") as maps, \
            open(f"/proc/{sys.argv[1]}/mem", "rb", 0) as memory:
        for line in maps:
            start, end, mode = re.match(r"(\w+)-(\w+) (\S+)", line).groups()
            if mode[0] != "r" or line.rstrip().endswith("[vsyscall]"):
                continue
            data = read(memory, int(start, 16), int(end, 16))
            for name, form in forms.items():
                found[name] += data.count(form)
    print(" ".join(f"{name}={n}" for name, n in found.items()))


main()
