#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Every row of rows.txt: first without mspd, then with it.

usage: matrix.py WORLD SKIPS ROWS TIER [PATTERN]

WORLD is a JSON file of what `run` has built. Reads commands from stdin, one a
line, and answers each on stdout: "off", "on PORT" (of the listener), "end".
After "end" comes the table; the status is 1 if a row proves nothing or is
open without being a stated limit.

The judges are the host's journal and the wire at the host's end; which layer
it was is told by the counter that moved.
"""
import fnmatch
import json
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../../harness/client")]

import attacks  # noqa: E402
from place import Child, PLACES, World  # noqa: E402

UIDS = {"root": 0, "boxed": 0, "user": 2002, "owner": 2001}
LAYERS = ("connect", "sendmsg", "egress", "uplink", "sk_msg", "lsm")
# Reasons of the audit by which a layer is known; others at connect are its.
REASONS = {"datagram": "sendmsg", "socket-kind": "lsm",
           "past-the-guard": "lsm", "raw-in-container": "lsm",
           "passed-socket": "sk_msg"}


class Row:
    """A line of rows.txt."""

    def __init__(self, line, tier="cgroup"):
        fields = [field.strip() for field in line.split("|")]
        if len(fields) != 6:
            raise ValueError(f"want 6 fields: {line}")
        self.group, self.name, where, what, self.seen, self.wanted = fields
        self.wanted = self.wanted.split(" / ")[-1 if tier == "lsm" else 0]
        self.slug = re.sub("[^a-z0-9]+", "-", self.name.lower()).strip("-")
        self.place, self.user = where.split()
        self.uid = UIDS[self.user]
        self.words = what.split()
        self.attack = getattr(attacks, self.words.pop(0))
        assert self.place in PLACES
        self.off = self.on = self.layer = self.verdict = "-"
        self.is_kept = self.attack in (attacks.old_connection,
                                       attacks.old_socket)
        self.child = None
        self.seconds = 0.5  # it waits with enforcement on, mostly in vain


def read_rows(path, tier, pattern="*"):
    with open(path, encoding="utf-8") as f:
        rows = [Row(line, tier) for line in f
                if line.strip() and not line.startswith("#")]
    names = [row.name for row in rows]
    if len(set(names)) != len(names):
        raise ValueError("two rows of one name")
    return [row for row in rows if fnmatch.fnmatchcase(row.name, pattern)]


def read_skips(path, kernel):
    """Names of rows that this kernel cannot run."""
    found = set()
    with open(path, encoding="utf-8") as f:
        for line in f:
            words = line.split(None, 2)
            if line.startswith("bypass.") and fnmatch.fnmatchcase(kernel,
                                                                  words[1]):
                found.add(words[0][len("bypass."):])
    return found


class Oracles:
    """What the host saw, and what the kernel counted."""

    def __init__(self, world):
        self.world = world
        self.marker = 2000

    @staticmethod
    def lines(path):
        with open(path, encoding="utf-8") as f:
            return f.read().splitlines()

    def wire_mark(self):
        return len(self.lines(self.world.wire))

    def wire(self, mark):
        """Lines since a mark, after a datagram that was sent last came."""
        self.marker += 1
        run = Row(f"-|marker|vm root|datagram_to {self.marker}|-|-")
        child = Child(self.world, run, "marker", True)
        result = child.result(10 * self.world.slow)
        child.end()
        wanted = f"10.97.0.1 {self.marker} udp 4"
        end = time.monotonic() + 5 * self.world.slow
        while time.monotonic() < end:
            lines = self.lines(self.world.wire)[mark:]
            if wanted in lines:
                return lines
            time.sleep(0.01)
        raise RuntimeError(f"the marker did not arrive: {result}")

    def journal(self, client_id):
        """How the host answered and saw requests of an id."""
        found = []
        for line in self.lines(self.world.journal):
            entry = json.loads(line)
            if entry.get("client_id") == client_id:
                found.append(f"{entry['status']} {entry['signed']}")
        return found

    def ctl(self, *words):
        out = subprocess.run(
            ["mspctl", "--socket", self.world.dir + "/run/control.sock",
             "--json", *words], stdout=subprocess.PIPE, check=True).stdout
        return json.loads(out)

    def counters(self):
        """How often each layer has refused."""
        stats = {stat["name"]: stat["value"]
                 for stat in self.ctl("status")["stats"]}
        counts = dict.fromkeys(LAYERS, 0)
        counts["egress"] = stats["egress-denied"]
        counts["uplink"] = stats["uplink-denied"]
        counts["sk_msg"] = stats["fd-unguarded"]  # a mark that was lost
        for audit in self.ctl("audit")["audit"]:
            if audit["verdict"] == "deny" and audit["stage"] == "connect":
                counts[REASONS.get(audit["reason"],
                                   "connect")] += audit["count"]
        return counts


class Matrix:
    def __init__(self, world, rows, skips):
        self.world = world
        self.rows = rows
        self.skips = skips
        self.oracles = Oracles(world)
        self.bad = []
        self.counts = {}
        for row in rows:
            if row.wanted == "served" or row.wanted.startswith("limit"):
                row.seconds = 5 * world.slow

    def fail(self, row, why):
        row.verdict = "FAILED"
        self.bad.append(f"{row.name}: {why}")

    def is_reached(self, row, client_id, result, lines):
        """Whether what the row is after got to the host."""
        if row.seen == "request":
            return self.oracles.journal(client_id)[:1] != []
        if row.seen == "sniffed":
            return result == "sniffed"
        wanted = re.compile(row.seen.replace("IMDS", self.world.imds))
        return any(wanted.fullmatch(line) for line in lines)

    def settled(self, row, client_id, mark, has_moved):
        """The wire; of what the kernel does by itself, once it was done."""
        end = time.monotonic() + 5 * self.world.slow
        while row.attack is attacks.announced and time.monotonic() < end:
            lines = self.oracles.wire(mark)
            if self.is_reached(row, client_id, "", lines) or has_moved():
                break
            time.sleep(0.1)
        return self.oracles.wire(mark)

    def off(self):
        for number, row in enumerate(self.rows):
            client_id = f"off-{number}"
            mark = self.oracles.wire_mark()
            child = Child(self.world, row, client_id, True)
            row.off = child.result(20 * self.world.slow)
            lines = self.settled(row, client_id, mark, lambda: False)
            if row.is_kept:
                row.child = child
            else:
                child.end()
            reached = self.is_reached(row, client_id, row.off, lines)
            if row.slug in self.skips:
                row.verdict = "not tried on this kernel"
                if reached:
                    self.fail(row, "listed in skips.txt, and it runs here")
            elif row.wanted == "no way":
                if reached:
                    self.fail(row, "it is a way")
            elif not reached:
                self.fail(row, f"not shown open: got {row.off}, the host saw "
                          f"{lines}")

    def on(self, port):
        self.world.listener = ("127.0.0.1", int(port))
        self.counts = self.oracles.counters()
        for number, row in enumerate(self.rows):
            if row.verdict == "-":
                self.one_on(row, f"on-{number}", port)
            elif row.child:
                row.child.end()

    def one_on(self, row, client_id, port):
        mark = self.oracles.wire_mark()
        before = self.counts

        def moved():
            self.counts = self.oracles.counters()
            return [name for name in LAYERS
                    if self.counts[name] > before[name]]

        if row.is_kept:
            child = row.child
            child.enforce(client_id, port)
        else:
            child = Child(self.world, row, client_id, False)
        row.on = child.result(20 * self.world.slow)
        lines = self.settled(row, client_id, mark, moved)
        child.end()
        self.judge(row, client_id, lines, moved())

    def judge(self, row, client_id, lines, layers):
        reached = self.is_reached(row, client_id, row.on, lines)
        row.layer = "+".join(layers) or "none"
        imds = [line for line in lines
                if line.startswith(self.world.imds + " ")]
        if row.wanted.startswith("limit"):
            row.verdict = row.wanted
            if not reached:
                self.fail(row, f"stated as a limit, but stopped by {layers}")
        elif row.wanted == "served":
            row.verdict = "served"
            if self.oracles.journal(client_id) != ["200 valid"]:
                self.fail(row, f"got {row.on}: "
                          f"{self.oracles.journal(client_id)}")
        elif row.wanted == "no way":
            row.verdict = "no way"
            if reached or imds:
                self.fail(row, f"it is a way: {lines}")
        elif reached:
            self.fail(row, f"OPEN: got {row.on}, the host saw {imds}")
        elif any(self.feeds(row, line) for line in imds):
            self.fail(row, f"on the wire: {imds}")
        elif row.wanted != row.layer:
            self.fail(row, f"stopped, not by {row.wanted} but by {row.layer}; "
                      f"got {row.on}")
        else:
            row.verdict = "as judged" if row.wanted == "none" else "stopped"

    @staticmethod
    def feeds(row, line):
        """What opens or carries something; the agent's own does with sk_msg."""
        flags, size = line.split()[2:4]
        return (row.wanted != "sk_msg" and flags not in ("udp", "icmp") and
                (flags == "syn" or size != "0"))

    def table(self):
        kernel = os.uname().release
        form = "{:9} {:40} {:24} {:>10} {:>12} {:16} {}"
        print(form.format("group", "row", "kernel", "off", "on", "layer",
                          "verdict"))
        for row in self.rows:
            print(form.format(row.group, row.name, kernel, row.off, row.on,
                              row.layer, row.verdict))
        for line in self.bad:
            print(f"not ok - {line}")
        verdicts = [row.verdict for row in self.rows]
        print(f"{len(self.rows)} rows: " + ", ".join(
            f"{verdicts.count(v)} {v}" for v in sorted(set(verdicts))))


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        world = World(json.load(f))
    rows = read_rows(*sys.argv[3:6])
    matrix = Matrix(world, rows,
                    read_skips(sys.argv[2], os.uname().release))
    for line in sys.stdin:
        words = line.split()
        if words == ["end"]:
            break
        {"off": matrix.off, "on": matrix.on}[words[0]](*words[1:])
        print("done", flush=True)
    matrix.table()
    sys.exit(1 if matrix.bad or not rows else 0)


if __name__ == "__main__":
    main()
