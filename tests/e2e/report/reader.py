#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Reads a file over and over until a second one appears: reader.py FILE STOP

Prints how often it was read, how many different texts it had, and how often
it was missing, or no whole JSON object.
"""

import json
import os
import sys


def main():
    path, stop = sys.argv[1:]
    reads = torn = 0
    texts = set()
    while not os.path.exists(stop):
        reads += 1
        try:
            with open(path, encoding="utf-8") as file:
                text = file.read()
            if not isinstance(json.loads(text), dict):
                raise ValueError("no object")
            texts.add(hash(text))
        except (OSError, ValueError):
            torn += 1
    print(reads, len(texts), torn)


main()
