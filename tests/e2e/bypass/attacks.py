# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The attacks that rows.txt names: each takes a Run and the row's words."""
import array
import ctypes
import errno
import fcntl
import json
import mmap
import os
import socket
import struct
import subprocess
import time

import packets  # of tests/harness/client
from place import become, check, libc, tcp
from uring import Ring

OWNER = 2001  # whom the policy allows
SCTP, UDPLITE, SMC = 132, 136, 43
KEPT = []  # sockets that must stay open until they are judged


# --- sockets of mspclient -----------------------------------------------------
def steps(run, *words):
    """`mspclient steps`: the last status, else the first thing that failed."""
    become(run.uid)
    args = ["mspclient", "steps", f"header=x-client-id: {run.id}",
            f"timeout={int(run.seconds * 1000)}", "linger0", *words,
            "request=/metadata/versions", "close"]
    listener = "{}:{}".format(*run.listener)
    args = [word.replace("LISTENER", listener).replace("IMDS", run.world.imds)
            for word in args]
    out = subprocess.run(args, stdout=subprocess.PIPE, check=False).stdout
    lines = [json.loads(line) for line in out.decode().splitlines()]
    for line in lines:
        if line.get("status"):
            return line["status"]
    bad = [line["result"] for line in lines
           if line["result"] not in ("ok", "EINPROGRESS")]
    return bad[0] if bad else "EOF"


# --- plain sockets of Python ----------------------------------------------------
def endpoint(run):
    return (run.world.imds, 80)


def old_connection(run):
    """Connected, and served, before anything was attached."""
    become(run.uid)
    sock = tcp()
    result = run.reach(sock, endpoint(run))  # the host keeps it open
    run.until_enforced(result)
    return run.ask(sock)


def old_socket(run):
    """Made before anything was attached, connected after."""
    become(run.uid)
    sock = tcp()
    run.until_enforced(run.reach(tcp(), endpoint(run)))
    return run.reach(sock, endpoint(run))


def moves(run, before, after):
    """A socket made in one cgroup, used by the process in another."""
    run.world.enter_cgroup(before)
    sock = tcp()
    run.world.enter_cgroup(after)
    become(run.uid)
    return run.reach(sock, endpoint(run))


def repaired(run):
    """TCP_REPAIR: for who is root of the namespace."""
    sock = tcp()
    sock.setsockopt(socket.IPPROTO_TCP, 19, 1)
    sock.connect(endpoint(run))
    sock.setsockopt(socket.IPPROTO_TCP, 19, 0)  # the first packet
    return "connected"


def unspec(run):
    """connect() to AF_UNSPEC with the endpoint's address: not a way."""
    become(run.uid)
    sock = tcp()
    name = struct.pack("=H", 0) + struct.pack("!H", 80) + socket.inet_aton(
        run.world.imds) + bytes(8)
    check(libc.connect(sock.fileno(), name, len(name)))
    return run.ask(sock)


def sctp(run):
    """A connection by SCTP; nobody answers."""
    become(run.uid)
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, SCTP)
    sock.setblocking(False)
    return run.told(lambda: sock.connect(endpoint(run)) or "connected")


def smc(run, family):
    """SMC, which falls back to TCP where there is no hardware for it."""
    become(run.uid)
    kind = (SMC, 0) if family == "smc" else (socket.AF_INET, 256)
    sock = socket.socket(kind[0], socket.SOCK_STREAM, kind[1])
    name = struct.pack("=H", socket.AF_INET) + struct.pack("!H", 80)
    name += socket.inet_aton(run.world.imds) + bytes(8)
    check(libc.connect(sock.fileno(), name, len(name)))
    return run.ask(sock)


# --- datagrams --------------------------------------------------------------------
def sendto(sock, family, port, addr):
    """sendto() with a family of our own choice in the address."""
    name = struct.pack("=H", family) + struct.pack("!H", port)
    name += socket.inet_aton(addr) + bytes(8)
    check(libc.sendto(sock.fileno(), b"ping", 4, 0, name, len(name)))
    return "sent"


def datagram(run, kind, how):
    become(run.uid)
    is_v6 = kind.endswith("6")
    sock = socket.socket(socket.AF_INET6 if is_v6 else socket.AF_INET,
                         socket.SOCK_DGRAM,
                         UDPLITE if kind.startswith("udplite") else 0)
    addr = run.world.imds
    name = ("::ffff:" + addr if is_v6 else addr, 80)

    def action():
        if how == "unspec":
            return sendto(sock, socket.AF_UNSPEC, 80, addr)
        if how == "inet":
            return sendto(sock, socket.AF_INET, 80, addr)
        if how == "sendto":
            sock.sendto(b"ping", name)
        else:
            sock.connect(name)
            sock.send(b"ping")
        return "sent"
    return run.told(action)


def ping(run, how):
    """An ICMP socket, which needs no capability."""
    with open("/proc/sys/net/ipv4/ping_group_range", "w",
              encoding="ascii") as f:
        f.write("0 65535")
    become(run.uid)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM,
                         socket.IPPROTO_ICMP)
    data = struct.pack("!BBHHH", 8, 0, 0, 1, 1)

    def action():
        if how == "connect":
            sock.connect((run.world.imds, 0))
            sock.send(data)
        else:
            sock.sendto(data, (run.world.imds, 0))
        return "sent"
    return run.told(action)


# --- raw packets and frames ---------------------------------------------------------
def source(run):
    """The namespace's own address toward the endpoint."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect((run.world.imds, 9))
        return s.getsockname()[0]


def raw(run, *words):
    words = words or ("IMDS", "80", "syn")
    return packets.send(*(word.replace("IMDS", run.world.imds)
                          for word in words))


def raw_proto(run, proto):
    return packets.send(run.world.imds, "80", f"proto={proto}")


def datagram_to(_, port):
    """Harmless; tells the watcher that what was sent before has come."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.sendto(b"ping", ("10.97.0.1", int(port)))
    return "sent"


def raw_tcp(run, how):
    """A raw socket that lets the kernel write the IP header."""
    imds = run.world.imds
    body = packets.tcp(socket.inet_aton(source(run)), socket.inet_aton(imds),
                       45000, 80, "syn")
    sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)

    def action():
        if how == "connect":
            sock.connect((imds, 0))
            sock.send(body)
        else:
            sock.sendto(body, (imds, 0))
        return "sent"
    return run.told(action)


def frame(run, device, to, *words):
    """A frame from a packet socket, to the device that `to` names."""
    return packets.frame(device, run.world.mac[to], run.world.imds, "80",
                         *words, f"source={source(run)}")


def summed(run, device, to, *words):
    """A frame that a checksum made behind the guard turns into the row's."""
    return packets.summed(device, run.world.mac[to], run.world.imds, "80",
                          "syn", *words, f"source={source(run)}")


def packet_bytes(run, *words):
    return packets.packet(run.world.imds, "80", "syn", *words)[0]


def cooked(run, device, to):
    """A packet socket that lets the kernel write the Ethernet header."""
    mac = bytes.fromhex(run.world.mac[to].replace(":", ""))
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)

    def action():
        sock.sendto(packet_bytes(run, f"source={source(run)}"),
                    (device, 0x0800, 0, 0, mac))
        return "sent"
    return run.told(action)


def ether(run, device, to, *words):
    """A whole frame, as bytes."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
        s.bind((device, 0))
        own = s.getsockname()[4]
    return (bytes.fromhex(run.world.mac[to].replace(":", "")) + own
            + b"\x08\x00" + packet_bytes(run, *words))


def past_qdisc(run, device, to):
    """PACKET_QDISC_BYPASS: straight to the driver."""
    data = ether(run, device, to, f"source={source(run)}")
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.bind((device, 0))
    sock.setsockopt(263, 20, 1)
    return run.told(lambda: sock.send(data) and "sent")


def ring_of(device):
    """A socket whose frames are in memory it shares with the kernel."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.setsockopt(263, 13, struct.pack("=4I", 4096, 1, 2048, 2))
    sock.bind((device, 0x0800))
    return sock, mmap.mmap(sock.fileno(), 4096, mmap.MAP_SHARED)


def ring_send(sock, ring, data, flags=0):
    ring[32:32 + len(data)] = data  # behind struct tpacket_hdr
    struct.pack_into("=QI", ring, 0, 1, len(data))  # TP_STATUS_SEND_REQUEST
    return check(libc.send(sock.fileno(), None, 0, flags)) >= 0 and "sent"


def tx_ring(run, device, to):
    """PACKET_TX_RING: what is sent is in shared memory, not in the call."""
    data = ether(run, device, to, f"source={source(run)}")
    sock, ring = ring_of(device)
    return run.told(lambda: ring_send(sock, ring, data))


def is_queued(device):
    """Something still waits in the device's first queue."""
    out = subprocess.run(["tc", "-s", "-j", "qdisc", "show", "dev", device,
                          "root"], stdout=subprocess.PIPE, check=True).stdout
    return json.loads(out)[0]["qlen"] > 0


def changed_ring(run, device, to):
    """The same, for somebody else until it is judged: it waits in a queue."""
    late = ether(run, device, to, f"source={source(run)}")
    early = bytearray(late)
    early[14 + 16:14 + 20] = socket.inet_aton("10.97.0.1")
    subprocess.run(["tc", "qdisc", "replace", "dev", device, "root", "tbf",
                    "rate", "8kbit", "burst", "1600", "latency", "10s"],
                   check=True)
    sock, ring = ring_of(device)
    plain = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    plain.bind((device, 0))
    filler = bytes(12) + b"\x88\xb5" + bytes(1480)  # of no protocol
    try:
        plain.send(filler)  # all that may go at once
        plain.send(filler)  # a second and a half,
        plain.send(filler)  # and another
        result = run.told(lambda: ring_send(sock, ring, early,
                                            socket.MSG_DONTWAIT))
        ring[32:32 + len(late)] = late
        end = time.monotonic() + 10 * run.world.slow
        while is_queued(device) and time.monotonic() < end:
            time.sleep(0.1)
        return result
    finally:
        subprocess.run(["tc", "qdisc", "del", "dev", device, "root"],
                       check=True)


def xdp(run, device, to):
    """AF_XDP: like PACKET_QDISC_BYPASS, and without a call per frame."""
    data = ether(run, device, to, f"source={source(run)}")
    sock = socket.socket(44, socket.SOCK_RAW)
    memory = mmap.mmap(-1, 4 * 4096)
    memory[0:len(data)] = data
    where = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    sock.setsockopt(283, 4, struct.pack("=QQIIII", where, 4 * 4096, 4096, 0, 0,
                                        0))  # XDP_UMEM_REG
    for ring in (5, 6, 3):  # of free frames, of sent ones, of those to send
        sock.setsockopt(283, ring, struct.pack("=I", 4))
    offsets = struct.unpack("=16Q", sock.getsockopt(283, 1, 128))[4:8]
    ring = mmap.mmap(sock.fileno(), offsets[2] + 4 * 16, mmap.MAP_SHARED,
                     offset=0x80000000)
    name = struct.pack("=HHIII", 44, 2, socket.if_nametoindex(device), 0, 0)
    end = time.monotonic() + 5 * run.world.slow
    while libc.bind(sock.fileno(), name, len(name)) < 0:
        # the queue is free a little after the socket that had it is gone
        if ctypes.get_errno() != errno.EBUSY or time.monotonic() > end:
            check(-1)
        time.sleep(0.01)
    struct.pack_into("=QII", ring, offsets[2], 0, len(data), 0)
    struct.pack_into("=I", ring, offsets[0], 1)
    return run.told(lambda: check(libc.sendto(
        sock.fileno(), None, 0, socket.MSG_DONTWAIT, None, 0)) >= 0 and "sent")


def forwarding(port):
    """A port of a bridge forwards a little after it has a carrier."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        out = subprocess.run(["bridge", "link", "show", "dev", port],
                             stdout=subprocess.PIPE, check=True).stdout
        if b"state forwarding" in out:
            return
        time.sleep(0.05)
    raise TimeoutError


def tap(run, name, *summed_by):
    """A frame a guest puts on its tap, as its QEMU hands it to the kernel."""
    fd = os.open("/dev/net/tun", os.O_RDWR)
    flags = 0x1002 | (0x4000 if summed_by else 0)  # IFF_VNET_HDR
    fcntl.ioctl(fd, 0x400454CA, struct.pack("16sH22x", name.encode(), flags))
    mac = bytes.fromhex(run.world.mac["tap" if name == "tap0" else "sim2"]
                        .replace(":", ""))
    guest = bytes.fromhex("020000000007")
    where = "10.97.6.2" if name == "tap0" else "10.97.5.9"
    if name == "tap1":
        forwarding(name)
    head = mac + guest + b"\x08\x00"
    data = packet_bytes(run, f"source={where}")
    if summed_by:
        os.write(fd, packets.late_sum(head, data, *summed_by,
                                      1 if name == "tap0" else 0))
    else:
        os.write(fd, head + data)
    return "sent"


# --- who sends on a connection, or for whom ------------------------------------------
def thief(run, action):
    """The result of an action by a child of this process that is run.uid."""
    ends = os.pipe()
    pid = os.fork()
    if pid == 0:
        become(run.uid)
        os.write(ends[1], str(run.told(action)).encode())
        os._exit(0)
    os.close(ends[1])
    result = os.read(ends[0], 4096).decode()
    os.waitpid(pid, 0)
    return result or "died"


def as_owner():
    os.setresgid(OWNER + 1000, OWNER + 1000, 0)
    os.setresuid(OWNER, OWNER, 0)


def as_root():
    os.setresuid(0, 0, 0)
    os.setresgid(0, 0, 0)


def owners_connection(run):
    sock = tcp()
    as_owner()
    sock.settimeout(5 * run.world.slow)
    sock.connect(endpoint(run))
    as_root()
    return sock


def inherited(run):
    """The owner's connection, kept over fork and setuid."""
    sock = owners_connection(run)
    return thief(run, lambda: run.get(sock))


def passed(run):
    """The owner's connection by SCM_RIGHTS to a process of its own."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)

    def take():
        fds = array.array("i")
        _, control, _, _ = ends[1].recvmsg(1, socket.CMSG_LEN(4))
        fds.frombytes(control[0][2][:4])
        return run.get(socket.socket(fileno=fds[0]))

    pid = os.fork()
    if pid == 0:
        sock = owners_connection(run)
        socket.send_fds(ends[0], [b"x"], [sock.fileno()])
        os._exit(0)
    os.waitpid(pid, 0)
    return thief(run, take)


def shared_ring(run, who_sends):
    """
    The thief makes the owner's ring connect; and sends himself, or makes the
    ring do that too.
    """
    sock = tcp()
    as_owner()
    ring = Ring(True)
    as_root()

    def action():
        ring.connect(sock, endpoint(run))
        if who_sends == "itself":
            return run.get(sock)
        ring.send(sock, run.request())
        return run.answer(sock)
    return thief(run, action)


def personality(run):
    """A ring of root's that acts with the credentials of run.uid."""
    sock = tcp()
    ring = Ring(False)
    os.setresuid(run.uid, run.uid, 0)
    number = ring.personality()
    as_root()

    def action():
        ring.connect(sock, endpoint(run), number)
        return run.get(sock)
    return run.told(action)


def sniff(run):
    """What the owner asks, in clear, by a packet socket on every device."""
    ear = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
    ear.settimeout(run.seconds)
    pid = os.fork()
    if pid == 0:
        become(OWNER)
        run.reach(tcp(), endpoint(run))
        os._exit(0)
    while run.id.encode() not in ear.recv(65536):
        pass
    os.waitpid(pid, 0)
    return "sniffed"


def next_segment(packet, payload):
    """IPv4 and TCP of whoever sent `packet`, which was all he said, with more."""
    ihl = (packet[0] & 15) * 4
    length, = struct.unpack("!H", packet[2:4])
    tcp_head = packet[ihl:ihl + 20]
    said = length - ihl - (tcp_head[12] >> 4) * 4
    seq, = struct.unpack("!I", tcp_head[4:8])
    body = (tcp_head[:4] + struct.pack("!I", (seq + said) & 0xffffffff)
            + tcp_head[8:12] + struct.pack("!BBHHH", 5 << 4, 0x18, 512, 0, 0)
            + payload)
    ends = packet[12:20]
    total = packets.checksum(ends + struct.pack("!BBH", 0, 6, len(body)) + body)
    body = body[:16] + struct.pack("!H", total) + body[18:]
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 7, 0, 64, 6,
                       0) + ends + body


def inject(run):
    """A request in the middle of the owner's connection, by a raw socket."""
    ear = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
    ends = os.pipe()
    pid = os.fork()
    if pid == 0:
        become(OWNER)
        run.id += "-owner"
        sock = tcp()
        run.reach(sock, endpoint(run))
        os.write(ends[1], struct.pack("!H", sock.getsockname()[1]))
        run.told(lambda: run.answer(sock))  # to what he never asked
        os._exit(0)
    port = os.read(ends[0], 2)
    last = b""
    ear.setblocking(False)
    try:
        while True:  # all that he has said by now
            packet = ear.recv(65536)
            if packet[0] >> 4 == 4 and packet[9] == 6 and \
                    packet[(packet[0] & 15) * 4:][:2] == port:
                last = packet
    except BlockingIOError:
        pass
    raw_sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, 255)
    raw_sock.sendto(next_segment(last, run.request()),
                    (socket.inet_ntoa(last[16:20]), 0))
    os.waitpid(pid, 0)
    return "injected"


# --- other ways to another destination ---------------------------------------------
def instruction(op, dst=0, src=0, off=0, imm=0):
    return struct.pack("=BBhi", op, src << 4 | dst, off, imm)


def rewriter(run, vip):
    """A cgroup/connect4 program that turns `vip` into the endpoint."""
    word, = struct.unpack("=i", socket.inet_aton(vip))
    imds, = struct.unpack("=i", socket.inet_aton(run.world.imds))
    code = b"".join((
        instruction(0x61, 2, 1, 4),                    # r2 = user_ip4
        instruction(0x56, 2, 0, 4, word),              # if w2 != vip, done
        instruction(0xb4, 2, imm=imds),                # w2 = imds
        instruction(0x63, 1, 2, 4),                    # user_ip4 = r2
        instruction(0xb4, 2, imm=socket.htons(80)),    # w2 = 80
        instruction(0x63, 1, 2, 24),                   # user_port = r2
        instruction(0xb4, 0, imm=1), instruction(0x95)))  # return 1
    buffer, gpl = (mmap.mmap(-1, 4096) for _ in range(2))
    buffer[0:len(code)] = code
    gpl[0:4] = b"GPL\0"
    where = [ctypes.addressof(ctypes.c_char.from_buffer(m))
             for m in (buffer, gpl)]
    attr = struct.pack("=IIQQ", 18, len(code) // 8, *where)  # CGROUP_SOCK_ADDR
    attr = attr.ljust(68, b"\0") + struct.pack("=I", 10)     # INET4_CONNECT
    return check(libc.syscall(321, 5, attr.ljust(144, b"\0"), 144))


def rewritten(run, where):
    """Somebody's own connect4 program, beside ours or in a cgroup below."""
    vip = "10.97.0.77"
    name = "work/lb" if where == "below" else "work"
    run.world.enter_cgroup(name)
    target = run.world.cgroup("work/lb") if where == "below" else \
        run.world.cgroup_dir
    prog = rewriter(run, vip)
    fd = os.open(target, os.O_RDONLY)
    check(libc.syscall(321, 28, struct.pack("=IIII", prog, fd, 10, 0)
                       .ljust(144, b"\0"), 144))  # BPF_LINK_CREATE
    become(run.uid)
    return run.reach(tcp(), (vip, 80))


def announcements():
    """ADD_ADDR options that this namespace has received."""
    with open("/proc/self/net/netstat", encoding="ascii") as f:
        lines = [line.split() for line in f if line.startswith("MPTcpExt:")]
    return int(dict(zip(*lines))["AddAddr"])


def announced(run):
    """
    An MPTCP server tells its client that it can be reached at the endpoint's
    address too; the kernel connects there on its own. It says so once a
    connection, in an option for which there may be no room.
    """
    become(run.uid)
    for _ in range(20):
        before = announcements()
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
        sock.connect(("10.97.0.1", 80))
        sock.sendall(b"hello")
        end = time.monotonic() + run.world.slow
        while time.monotonic() < end:
            if announcements() > before:
                KEPT.append(sock)
                return "announced"
            time.sleep(0.01)
        sock.close()
    return "not announced"
