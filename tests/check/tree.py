# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What every check shares: which files there are, and how findings end.

A check takes the tree as its only argument, prints `path:line: finding` and
returns 1 if there was one. A tree without .git (a planted one) counts whole.
"""

import os
import subprocess
import sys


def root():
    if len(sys.argv) > 1:
        return os.path.abspath(sys.argv[1])
    here = os.path.dirname(os.path.abspath(__file__))
    return os.path.dirname(os.path.dirname(here))


def files(top):
    """Paths relative to `top`: tracked, or new and not ignored."""
    if os.path.exists(os.path.join(top, ".git")):
        out = subprocess.run(
            ["git", "-c", "safe.directory=*", "-C", top, "ls-files", "-z",
             "--cached", "--others", "--exclude-standard"],
            check=True, stdout=subprocess.PIPE).stdout.decode()
        found = [p for p in out.split("\0") if p]
    else:
        found = []
        for base, dirs, names in os.walk(top):
            dirs[:] = [d for d in dirs
                       if os.path.join(base, d) != os.path.join(top, "build")]
            found += [os.path.relpath(os.path.join(base, n), top)
                      for n in names]
    return sorted(set(p for p in found
                      if os.path.isfile(os.path.join(top, p))))


def lines(top, path):
    """The lines of a text file, or none if it is not text."""
    with open(os.path.join(top, path), "rb") as f:
        data = f.read()
    if b"\0" in data:
        return []
    return data.decode("utf-8", "replace").split("\n")


def finish(findings):
    for finding in findings:
        print(finding)
    if findings:
        print(f"{len(findings)} finding(s)")
    sys.exit(1 if findings else 0)
