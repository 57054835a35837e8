#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Packets no TCP socket would send, and what is seen on a wire.

  packets.py send TO PORT [syn|ack|data|fin|rst] [options=HEX] [frag]
                  [source=ADDR] [sport=PORT] [via=ADDR] [udp] [icmp]
                  [proto=N]
      one hand-made IPv4 packet from a raw socket; "sent" or an errno name
  packets.py frame DEVICE MAC TO PORT [tag=N] [called=TYPE] [words of send]
      the same in an Ethernet frame from a packet socket, tagged N times,
      under a type of its own if it is called one
  packets.py summed DEVICE MAC TO PORT [what=WHAT] [hops=N] [words of send]
      such a frame with another `port`, address (`to`) or `proto`, where the
      kernel is told to put a checksum that is, N hops on, what belongs there;
      `routed`: another port, where what is behind the packet is cut off
  packets.py software DEVICE
      the kernel computes checksums of what leaves by DEVICE, not the device
  packets.py send6 FROM TO PORT
      an IPv6 SYN likewise
  packets.py watch DEVICE FILE
      writes "TO PORT FLAGS BYTES" for each TCP packet, "TO 0 frag N" for a
      fragment and "TO PORT udp N" for UDP that comes in on DEVICE ("" for
      all of them); SCTP, DCCP and UDPLITE likewise; begins with "watching"; a
      source route is shown by its last stop
  packets.py serve ADDR PORT [BYTES]
      one connection: reads a line, answers with BYTES bytes, closes
  packets.py answer ADDR PORT tcp|mptcp
      takes connections for ever; answers what each says with one byte
  packets.py probe FROM FROM_PORT TO PORT
      one connection: a line out, all that comes back in; prints its length
"""
import ctypes
import errno
import fcntl
import socket
import struct
import sys


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


# Protocols whose ports are where UDP's are.
PORTS = {17: "udp", 33: "dccp", 132: "sctp", 136: "udplite"}
FLAGS = {"syn": 0x02, "ack": 0x10, "data": 0x18, "fin": 0x11, "rst": 0x04}


def tcp(source, to, sport, port, kind):
    payload = b"GET / HTTP/1.0\r\n\r\n" if kind == "data" else b""
    head = struct.pack("!HHIIBBHHH", sport, port, 1000, 0, 5 << 4, FLAGS[kind],
                       65535, 0, 0)
    pseudo = source + to + struct.pack("!BBH", 0, 6, len(head) + len(payload))
    total = checksum(pseudo + head + payload)
    return head[:16] + struct.pack("!H", total) + head[18:] + payload


def packet(to, port, *words):
    """Its bytes and its next hop."""
    named = dict(word.split("=", 1) for word in words if "=" in word)
    kinds = [word for word in words if word in FLAGS]
    source = socket.inet_aton(named.get("source", "10.97.0.2"))
    sport = int(named.get("sport", 45000))
    options = bytes.fromhex(named.get("options", ""))
    proto = 17 if "udp" in words else 1 if "icmp" in words else \
        int(named.get("proto", 6))
    if proto in PORTS and proto != 17:
        body = struct.pack("!HHII", sport, int(port), 0, 0)
    elif proto == 17:
        body = struct.pack("!HHHH", sport, int(port), 12, 0) + b"ping"
    elif proto == 1:
        body = struct.pack("!BBHHH", 8, 0, 0, 1, 1)
        body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
    else:
        body = tcp(source, socket.inet_aton(to), sport, int(port),
                   kinds[0] if kinds else "syn")
    # with a source route the next hop is what the header says
    hop = socket.inet_aton(named.get("via", to))
    frag = 0x2000 if "frag" in words else 0
    head = struct.pack("!BBHHHBBH4s4s", 0x45 + len(options) // 4, 0,
                       20 + len(options) + len(body), 77, frag, 64, proto, 0,
                       source, hop) + options
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return head + body, named.get("via", to)


def send(to, port, *words):
    data, hop = packet(to, port, *words)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW,
                       socket.IPPROTO_RAW) as s:
        try:
            s.sendto(data, (hop, 0))
        except OSError as e:
            return errno.errorcode[e.errno]
    return "sent"


def frame(device, mac, to, port, *words):
    named = dict(word.split("=", 1) for word in words if "=" in word)
    data, _ = packet(to, port, *words)
    tags = b"".join(struct.pack("!HH", 0x8100, 1 + i)
                    for i in range(int(named.get("tag", 0))))
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
        called = int(named.get("called", "0800"), 16)
        s.bind((device, called))
        own = s.getsockname()[4]
        head = bytes.fromhex(mac.replace(":", "")) + own
        try:
            s.send(head + tags + struct.pack("!H", 0x0800) + data)
        except OSError as e:
            return errno.errorcode[e.errno]
    return "sent"


def identified(data, ident, hops=0):
    """An IPv4 packet under another identification, some hops later."""
    head = bytearray(data[:20])
    head[4:6] = struct.pack("!H", ident)
    head[8] -= hops
    head[10:12] = b"\0\0"
    head[10:12] = struct.pack("!H", checksum(bytes(head)))
    return bytes(head) + data[20:]


# What a frame hides: where the word is, another low byte for it, from where on
# it is summed (Linux wants no less than 20), what is free to choose.
HIDDEN = {"port": (36, 81, 34, "behind"), "routed": (36, 81, 24, "ident"),
          "to": (32, 253, 24, "behind"), "proto": (22, 17, 20, "behind")}


def late_sum(head, data, what, hops):
    """
    A virtio_net_hdr and a frame. The kernel puts the checksum of all from
    `start` on where the frame says something else yet. Of 65,536 values of
    what is free, the identification or two bytes behind the packet, one makes
    that checksum what is wanted there.
    """
    at, other, start, free = HIDDEN[what]

    def early(i, n_hops):
        sent = identified(data, i if free == "ident" else 77, n_hops)
        whole = bytearray(head + sent)
        whole[at + 1] = other
        # a hop cuts off what is behind the packet
        return bytes(whole) + (struct.pack("!H", i) if free == "behind" else b"")

    wanted = struct.unpack("!H", (head + data)[at:at + 2])[0]
    for i in range(65536):
        if checksum(early(i, hops)[start:]) == wanted:
            return struct.pack("<BBHHHH", 1, 0, 0, 0, start,
                               at - start) + early(i, 0)
    raise ValueError("no value does it")


def summed(device, mac, to, port, *words):
    named = dict(word.split("=", 1) for word in words if "=" in word)
    data, _ = packet(to, port, *words)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
        s.setsockopt(263, 15, 1)  # PACKET_VNET_HDR
        s.bind((device, 0x0800))
        head = (bytes.fromhex(mac.replace(":", "")) + s.getsockname()[4] +
                b"\x08\0")
        try:
            s.send(late_sum(head, data, named.get("what", "port"),
                            int(named.get("hops", 0))))
        except OSError as e:
            return errno.errorcode[e.errno]
    return "sent"


def software(device):
    """ETHTOOL_STXCSUM by SIOCETHTOOL."""
    value = ctypes.create_string_buffer(struct.pack("=II", 0x17, 0))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, 0x8946, struct.pack("16sP16x", device.encode(),
                                           ctypes.addressof(value)))


def send6(source, to, port):
    ends = [socket.inet_pton(socket.AF_INET6, a) for a in (source, to)]
    body = tcp(*ends, 45000, int(port), "syn")
    head = struct.pack("!IHBB", 6 << 28, len(body), 6, 64) + ends[0] + ends[1]
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW,
                       socket.IPPROTO_RAW) as s:
        try:
            s.sendto(head + body, (to, 0))
        except OSError as e:
            return errno.errorcode[e.errno]
    return "sent"


def describe(packet):
    if packet[0] >> 4 != 4:
        return None
    ihl = (packet[0] & 15) * 4
    to = packet[16:20]
    options = packet[20:ihl]
    while options and options[0]:
        if options[0] == 1:
            options = options[1:]
            continue
        if options[0] in (131, 137):
            to = options[options[1] - 4:options[1]]
        options = options[max(options[1], 2):]
    to = socket.inet_ntoa(to)
    length = struct.unpack("!H", packet[2:4])[0]
    frag = struct.unpack("!H", packet[6:8])[0] & 0x3FFF
    l4 = packet[ihl:]
    if packet[9] == 6 and frag:
        return f"{to} 0 frag {length - ihl}"
    if packet[9] in PORTS:
        head = 8 if packet[9] in (17, 136) else 0
        return (f"{to} {struct.unpack('!H', l4[2:4])[0]} {PORTS[packet[9]]} "
                f"{length - ihl - head}")
    if packet[9] == 1:
        return f"{to} 0 icmp {length - ihl}"
    if packet[9] != 6:
        return None
    port = struct.unpack("!H", l4[2:4])[0]
    names = [name for name, bit in (("fin", 1), ("syn", 2), ("rst", 4),
                                    ("ack", 16)) if l4[13] & bit]
    return f"{to} {port} {'+'.join(names)} {length - ihl - (l4[12] >> 4) * 4}"


def watch(device, path):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
    if device:
        s.bind((device, 0))
    with open(path, "a", encoding="ascii", buffering=1) as out:
        out.write("watching\n")
        while True:
            packet, address = s.recvfrom(65536)
            line = None
            # the kernel has taken off the first tag only
            while packet[2:4] in (b"\x81\0", b"\x88\xa8", b"\x08\0") and \
                    packet[0] >> 4 == 0:
                packet = packet[4:]
            if address[2] != socket.PACKET_OUTGOING:
                line = describe(packet)
            if line:
                out.write(line + "\n")


def serve(address, port, count="100000"):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, int(port)), family=family) as s:
        print("listening", flush=True)
        connection, _ = s.accept()
        with connection:
            connection.settimeout(5)
            line = connection.recv(4096)
            connection.sendall(b"x" * int(count))
            connection.shutdown(socket.SHUT_WR)
            rest = connection.recv(1)
            print(f"read {len(line)} end {len(rest)}", flush=True)


def answer(address, port, kind):
    kept = []
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM,
                       262 if kind == "mptcp" else 0) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((address, int(port)))
        s.listen(16)
        while True:
            connection, _ = s.accept()
            connection.settimeout(5)
            kept.append(connection)
            try:
                if connection.recv(4096):
                    connection.sendall(b"x")
            except OSError:
                pass


def probe(source, sport, to, port):
    got = 0
    try:
        s = socket.create_connection((to, int(port)), 5,
                                     (source, int(sport)))
        with s:
            s.sendall(b"GET /health HTTP/1.0\r\n\r\n")
            while True:
                data = s.recv(65536)
                if not data:
                    break
                got += len(data)
    except OSError as e:
        name = errno.errorcode.get(e.errno, "timeout")
        return f"{got} {name}"
    return f"{got} ok"


def main():
    verb, *rest = sys.argv[1:]
    verbs = {"send": send, "frame": frame, "summed": summed,
             "software": software, "send6": send6, "watch": watch,
             "serve": serve, "answer": answer, "probe": probe}
    result = verbs[verb](*rest)
    if result:
        print(result)


if __name__ == "__main__":
    main()
