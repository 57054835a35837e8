# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Where an attack runs: a process of a cgroup, a network namespace and a user.

An attack is a function that gets a Run. It returns what it got: "200" or
another status, "sent", an errno name. What must be made while nothing is
enforced calls run.until_enforced() between the two.
"""
import ctypes
import errno
import os
import select
import signal
import socket
import struct
import sys
import traceback

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000

# place -> (network namespace, cgroup)
PLACES = {
    "vm": ("vm", "work"),           # the host's own namespace
    "sub": ("vm", "work/a/b"),      # a cgroup below
    "outside": ("vm", "outside"),   # a cgroup that no program is attached to
    "top": ("vm", "top"),           # the root cgroup, likewise in a test
    "veth": ("c1", "work"),         # a container routed over a veth
    "bridge": ("b1", "work"),       # a container behind a bridge
    "macvlan": ("m1", "work"),      # a container with a macvlan of the uplink
    "ipvlan": ("i1", "work"),       # a container with an ipvlan of an uplink
    "nested": ("c1", "outside"),    # a guest: the host sees its frames only
    "tabled": ("c2", "outside"),    # one for which there is a routing table
    "given": ("n1", "work"),        # a container that was given a device
}


def check(result):
    """A system call by ctypes: its result, or OSError."""
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


class World:
    """What run has built: directories, cgroups, addresses of devices."""

    def __init__(self, values):
        self.__dict__.update(values)

    def cgroup(self, name):
        return {"outside": self.host_cgroup, "top": self.root_cgroup}.get(
            name, f"{self.cgroup_dir}/{name}")

    def enter_cgroup(self, name):
        os.makedirs(self.cgroup(name), exist_ok=True)
        with open(self.cgroup(name) + "/cgroup.procs", "w",
                  encoding="ascii") as f:
            f.write("0")

    def enter_netns(self, name):
        with open(f"{self.dir}/ns/{name}", "rb") as f:
            check(libc.setns(f.fileno(), CLONE_NEWNET))


def become(uid):
    """euid `uid` for good; 0 stays what it is, with every capability."""
    if uid:
        os.setgroups([])
        os.setresgid(uid + 1000, uid + 1000, uid + 1000)
        os.setresuid(uid, uid, uid)


class Run:
    """One attack, as its own process sees it."""

    def __init__(self, world, row, client_id, is_off, pipes):
        self.world = world
        self.id = client_id
        self.uid = row.uid
        self.row = row
        self.is_off = is_off
        self.seconds = 5 * world.slow if is_off else row.seconds
        self.listener = (world.imds, 80) if is_off else world.listener
        self._pipes = pipes

    def until_enforced(self, result):
        """Says what was got with enforcement off; waits for the other."""
        self.say(result)
        reply = b""
        while not reply.endswith(b"\n"):
            part = os.read(self._pipes[0], 4096)
            if not part:
                os._exit(1)
            reply += part
        self.id, port = reply.decode().split()
        self.listener = ("127.0.0.1", int(port))
        self.is_off = False
        self.seconds = self.row.seconds

    def say(self, result):
        os.write(self._pipes[1], f"{result}\n".encode())

    def ask(self, sock):
        """One request on a connected socket; the status, or how it failed."""
        return self.told(lambda: self.get(sock))

    def request(self):
        return (f"GET /metadata/versions HTTP/1.1\r\nHost: {self.world.imds}"
                f"\r\nMetadata: true\r\nx-client-id: {self.id}\r\n\r\n"
                ).encode()

    def get(self, sock):
        """As ask, but what fails is raised."""
        sock.settimeout(self.seconds)
        sock.sendall(self.request())
        return self.answer(sock)

    def answer(self, sock):
        sock.settimeout(self.seconds)
        data = sock.recv(65536)
        return data.split(b" ", 2)[1].decode() if data else "EOF"

    def told(self, action):
        """The result of an action, or the name of its error."""
        try:
            return action()
        except TimeoutError:
            return "ETIMEDOUT"
        except OSError as e:
            return errno.errorcode.get(e.errno, str(e))

    def reach(self, sock, address):
        """connect() and one request."""
        def action():
            sock.settimeout(self.seconds)
            sock.connect(address)
            return self.get(sock)
        return self.told(action)


class Child:
    """The process of an attack; results come one by one."""

    def __init__(self, world, row, client_id, is_off):
        netns, cgroup = PLACES[row.place]
        to_child, from_child = os.pipe(), os.pipe()
        self.pid = os.fork()
        if self.pid:
            os.close(to_child[0])
            os.close(from_child[1])
            self.to, self.out = to_child[1], from_child[0]
            return
        os.close(to_child[1])
        os.close(from_child[0])
        status = 1
        try:
            world.enter_cgroup(cgroup)
            world.enter_netns(netns)
            if row.user == "boxed":  # root in a container
                os.chroot(world.dir + "/tmp")
            run = Run(world, row, client_id, is_off,
                      (to_child[0], from_child[1]))
            run.say(run.told(lambda: row.attack(run, *row.words)))
            os.read(to_child[0], 1)  # what it holds stays until it is judged
            status = 0
        except BaseException:  # whatever it is, it ends this process
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(status)

    def result(self, seconds):
        """The next one; "no result" if there is none in time."""
        line = b""
        while not line.endswith(b"\n"):
            if not select.select([self.out], [], [], seconds)[0]:
                return "no result"
            part = os.read(self.out, 4096)
            if not part:
                return "no result"
            line += part
        return line.decode().strip()

    def enforce(self, client_id, port):
        os.write(self.to, f"{client_id} {port}\n".encode())

    def end(self):
        os.close(self.to)
        os.close(self.out)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def tcp():
    """A socket whose end is a reset: it leaves nothing to be sent again."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                    struct.pack("=ii", 1, 0))
    return sock
