/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What a packet is, and whether it may go: shared by the guards of sockets
 * and of uplinks. A packet toward an endpoint in enforce may open or feed a
 * connection only if connect has decided about it. Every stop of a source
 * route counts; port 0 stands for a port that cannot be seen.
 */
#pragma once

#include "lib/event.bpf.h"
#include "lib/maps.bpf.h"
#include "lib/target.bpf.h"

#define ETH_P_IP   0x0800
#define ETH_P_IPV6 0x86dd

#define PROTO_HOP     0
#define PROTO_TCP     6
#define PROTO_ROUTING 43
#define PROTO_FRAG    44
#define PROTO_AUTH    51
#define PROTO_OPTS    60
#define PROTO_DCCP    33
#define PROTO_SCTP    132
#define PROTO_UDPLITE 136
#define EXT_MAX       8

#define ROUTE_RPL 3

#define V4_HEAD  20
#define V6_HEAD  40
#define V6_DEST  24
#define TCP_HEAD 20
#define TCP_SYN  0x02
#define TCP_ACK  0x10

#define OPT_END  0
#define OPT_NOP  1
#define OPT_LSRR 131
#define OPT_SSRR 137
#define OPTS_MAX 40 /* bytes of IPv4 options */

#define STOPS 3

#define PACKET_ALL 0xffffffffu /* packet.fixed */

/* What matters of a packet. */
struct packet {
    __u8 stop[STOPS][16]; /* next one, and the ends of a source route */
    __u32 n_stops;
    __u32 base;       /* of the network header, from the buffer's start */
    __u32 l4_off;     /* of the transport header, likewise */
    __u32 port;       /* destination, host order; 0 = cannot be seen */
    __u32 fixed;      /* bytes that nobody can change any more */
    __u32 headers;    /* where those of links and networks end */
    __u32 judged;     /* the verdict rests on the bytes before this one */
    bool is_harmless; /* opens nothing and carries nothing */
    __u8 tcp_flags;   /* 0 = cannot be seen */
    bool is_uplink;   /* leaves the host here, whoever sent it */
};

enum parsed {
    PARSED_OTHER = 0, /* nothing that is judged */
    PARSED_TCP,
    PARSED_PORTS,    /* SCTP and its like: ports where TCP has them */
    PARSED_FRAGMENT, /* of one of them; ports may be elsewhere */
    PARSED_BAD,      /* no stack sends it, and we cannot tell where it ends */
};

/* What a transport protocol is to us. */
static __always_inline enum parsed packet_kind(__u32 proto)
{
    if (proto == PROTO_TCP)
        return PARSED_TCP;
    return proto == PROTO_SCTP || proto == PROTO_UDPLITE || proto == PROTO_DCCP
               ? PARSED_PORTS
               : PARSED_OTHER;
}

/* State of the walk over IPv4 options. */
struct options {
    struct __sk_buff *skb;
    __u32 at;
    __u32 end;
    __u32 n_routes;
    __u32 last_stop; /* be */
};

/* One option; a non-zero return ends the walk. */
static long packet_option(__u32 i, struct options *o)
{
    __u8 opt[2] = {};

    if (o->at >= o->end ||
        bpf_skb_load_bytes(o->skb, o->at, opt, sizeof(opt)) ||
        opt[0] == OPT_END)
        return 1;
    if (opt[0] == OPT_NOP) {
        o->at++;
        return 0;
    }
    if (opt[1] < 2)
        return 1; /* malformed: nobody reads on */
    if ((opt[0] == OPT_LSRR || opt[0] == OPT_SSRR) && opt[1] >= 7) {
        o->n_routes++;
        if (bpf_skb_load_bytes(o->skb, o->at + opt[1] - 4, &o->last_stop, 4))
            return 1;
    }
    o->at += opt[1];
    return 0;
}

/* IPv4 with options, or with a length that is none. */
static __noinline enum parsed
packet_v4_options(struct __sk_buff *skb, struct packet *p, enum parsed found)
{
    struct options o = {.skb = skb, .at = p->base + V4_HEAD, .end = p->l4_off};

    if (p->l4_off < o.at)
        return PARSED_FRAGMENT; /* fail closed: the ports are not there */
    bpf_loop(OPTS_MAX, packet_option, &o, 0);
    if (o.n_routes > 1)
        return PARSED_BAD; /* fail closed: a route may be there but once */
    if (o.n_routes) {
        target_map_v4(p->stop[1], o.last_stop);
        p->n_stops = 2;
    }
    return found;
}

/* @param is_direct the network header begins the buffer: read it in place */
static __always_inline enum parsed packet_v4(struct __sk_buff *skb,
                                             struct packet *p, bool is_direct)
{
    __u8 *data = (void *)(long)skb->data;
    __u8 *end = (void *)(long)skb->data_end;
    __u8 copy[V4_HEAD], *head = copy;
    enum parsed found;
    bool is_fragment;
    __u32 dest;

    if (is_direct && data + V4_HEAD <= end)
        head = data;
    else if (bpf_skb_load_bytes(skb, p->base, copy, sizeof(copy)))
        return PARSED_OTHER; /* no IPv4 header: goes nowhere */
    p->l4_off = p->base + (head[0] & 0x0f) * 4;
    p->headers = p->judged = p->l4_off;
    found = packet_kind(head[9]);
    if (found == PARSED_OTHER)
        return found;
    __builtin_memcpy(&dest, head + 16, 4);
    is_fragment = (head[6] & 0x3f) || head[7];
    target_map_v4(p->stop[0], dest);
    p->n_stops = 1;
    if (p->l4_off != p->base + V4_HEAD)
        found = packet_v4_options(skb, p, found);
    return (found == PARSED_TCP || found == PARSED_PORTS) && is_fragment
               ? PARSED_FRAGMENT
               : found;
}

/*
 * A routing header that has stops left: its two ends are destinations too.
 * The last one of RPL's (RFC 6554) has padding behind it and lacks its first
 * bytes, which are the destination's.
 */
static __always_inline int packet_v6_route(struct __sk_buff *skb,
                                           struct packet *p, __u32 off)
{
    __u32 last, more, shared = 0;
    __u8 head[6];

    if (bpf_skb_load_bytes(skb, off, head, sizeof(head)))
        return -1;
    if (!head[3])
        return 0;
    if (off + (head[1] + 1) * 8 > p->fixed)
        return -1; /* fail closed: another end may be put there yet */
    if (p->n_stops > 1)
        return -1; /* fail closed: a second route */
    p->n_stops = 3;
    off += 8;
    last = off + head[1] * 8 - 16;
    if (head[2] == ROUTE_RPL) {
        shared = head[4] & 0x0f;
        last -= head[5] >> 4;
    }
    if (bpf_skb_load_bytes(skb, off, p->stop[1], 16) ||
        bpf_skb_load_bytes(skb, last, p->stop[2], 16))
        return -1;
    /* Linux 6.1 learns nothing from "is not 0", and wants a length that is not */
    more = shared - 1;
    barrier_var(more);
    if (more >= 15)
        return 0;
    return bpf_skb_load_bytes(skb, p->base + V6_DEST, p->stop[2], more + 1);
}

/* The transport header behind extension headers, if it is one we judge. */
static __noinline enum parsed packet_v6_headers(struct __sk_buff *skb,
                                                struct packet *p, __u32 next)
{
    enum parsed found = PARSED_OTHER;
    __u32 off = p->base + V6_HEAD;
    bool is_fragment = false;
    __u8 ext[2];

    for (int i = 0; i < EXT_MAX; i++) {
        p->headers = p->judged = off;
        found = packet_kind(next);
        if (found != PARSED_OTHER)
            break;
        if (next != PROTO_HOP && next != PROTO_ROUTING && next != PROTO_FRAG &&
            next != PROTO_AUTH && next != PROTO_OPTS)
            return PARSED_OTHER;
        if (bpf_skb_load_bytes(skb, off, ext, sizeof(ext)))
            return PARSED_FRAGMENT; /* fail closed: cannot see what it is */
        if (next == PROTO_FRAG)
            is_fragment = true;
        if (next == PROTO_ROUTING && packet_v6_route(skb, p, off))
            return PARSED_BAD; /* fail closed: where does it end? */
        off += next == PROTO_FRAG   ? 8
               : next == PROTO_AUTH ? (ext[1] + 2) * 4
                                    : (ext[1] + 1) * 8;
        next = ext[0];
    }
    p->l4_off = off;
    /* fail closed: more headers than we follow */
    return is_fragment || packet_kind(next) == PARSED_OTHER ? PARSED_FRAGMENT
                                                            : found;
}

/* @param is_direct as packet_v4 */
static __always_inline enum parsed packet_v6(struct __sk_buff *skb,
                                             struct packet *p, bool is_direct)
{
    __u8 *data = (void *)(long)skb->data;
    __u8 *end = (void *)(long)skb->data_end;
    __u8 copy[V6_HEAD], *head = copy;
    __u32 next;

    if (is_direct && data + V6_HEAD <= end)
        head = data;
    else if (bpf_skb_load_bytes(skb, p->base, copy, sizeof(copy)))
        return PARSED_OTHER; /* no IPv6 header: goes nowhere */
    p->headers = p->judged = p->base + V6_HEAD;
    next = head[6];
    if (next == PROTO_UDP)
        return PARSED_OTHER;
    __builtin_memcpy(p->stop[0], head + 24, 16);
    p->n_stops = 1;
    p->l4_off = p->base + V6_HEAD;
    return next == PROTO_TCP ? PARSED_TCP : packet_v6_headers(skb, p, next);
}

/*
 * Reads port and flags. The length is the buffer's, which a segmentation
 * offload makes longer than the IP header says, and a liar too.
 */
static __always_inline void packet_tcp(struct __sk_buff *skb, struct packet *p,
                                       bool is_direct)
{
    __u8 *data = (void *)(long)skb->data;
    __u8 *end = (void *)(long)skb->data_end;
    __u8 copy[14], *tcp = copy;
    __u32 head_len;

    if (is_direct && p->l4_off == V4_HEAD &&
        data + V4_HEAD + sizeof(copy) <= end)
        tcp = data + V4_HEAD;
    else if (is_direct && p->l4_off == V6_HEAD &&
             data + V6_HEAD + sizeof(copy) <= end)
        tcp = data + V6_HEAD;
    else if (bpf_skb_load_bytes(skb, p->l4_off, copy, sizeof(copy)))
        return; /* fail closed: port 0 stands for every port */
    if (p->l4_off + sizeof(copy) > p->fixed)
        return; /* fail closed: as above */
    p->judged = p->l4_off + sizeof(copy);
    p->port = tcp[2] << 8 | tcp[3];
    head_len = (tcp[12] >> 4) * 4;
    p->tcp_flags = tcp[13];
    p->is_harmless = skb->len == p->l4_off + head_len && head_len >= TCP_HEAD &&
                     (tcp[13] & (TCP_SYN | TCP_ACK)) != TCP_SYN;
}

/* SCTP, UDPLITE, DCCP: nothing of theirs is harmless. */
static __always_inline void packet_ports(struct __sk_buff *skb,
                                         struct packet *p)
{
    __u8 head[4];

    p->judged = p->l4_off + sizeof(head);
    if (!bpf_skb_load_bytes(skb, p->l4_off, head, sizeof(head)) &&
        p->l4_off + sizeof(head) <= p->fixed)
        p->port = head[2] << 8 | head[3];
    /* fail closed: else port 0 stands for every port */
}

/*
 * Whether connect, or the endpoint, has opened this socket's connection, to
 * this very address: a packet whose destination was rewritten is another's.
 */
static __always_inline bool packet_is_decided(struct __sk_buff *skb,
                                              const __u8 addr[16], __u32 port)
{
    struct bpf_sock *sk = skb->sk;
    struct msp_owner *owner;
    __u32 *own, is[4], was[4];

    if (!sk)
        return false;
    sk = bpf_sk_fullsock(sk);
    if (!sk)
        return false;
    own = bpf_sk_storage_get(&msp_own_sk, sk, NULL, 0);
    if (own && *own == MSP_OWN_UPSTREAM)
        return true;
    owner = bpf_sk_storage_get(&msp_sk_owner, sk, NULL, 0);
    if (!owner || owner->mark.port != port ||
        (owner->kind != MSP_OWNER_DIRECT && owner->kind != MSP_OWNER_INBOUND))
        return false;
    target_words(addr, is);
    target_words(owner->mark.addr, was);
    return is[0] == was[0] && is[1] == was[1] && is[2] == was[2] &&
           is[3] == was[3];
}

/* May a packet whose port is an endpoint's, or cannot be seen, go there? */
static __noinline bool packet_may_go(struct __sk_buff *skb, const __u8 addr[16],
                                     __u32 port, __u32 slot, bool is_uplink)
{
    struct msp_endpoint *ep = NULL;
    __u32 index = 0;
    int r;

    if (!addr)
        return false; /* fail closed: cannot happen */
    r = target_endpoint(slot, addr, port, &index, &ep);
    if (r == TARGET_NONE)
        return true;
    if (r != TARGET_ENDPOINT || !ep)
        return false; /* fail closed: the tables are not whole */
    if (ep->mode == MSP_MODE_AUDIT || ep->mode == MSP_MODE_DISABLED)
        return true;
    /*
     * fail open because a frame that left another network namespace has lost
     * its socket, and connect() let the callers of such an endpoint out there
     * (e2e.guards.frames_that_no_socket_sent)
     */
    if (is_uplink && !skb->sk && !(ep->flags & MSP_EP_SIGN))
        return true;
    return packet_is_decided(skb, addr, port);
}

/* Every stop of a packet that opens or feeds. */
static __noinline bool packet_judge(struct __sk_buff *skb, struct packet *p)
{
    __u32 zero = 0, slot;
    struct msp_meta *meta = bpf_map_lookup_elem(&msp_meta, &zero);
    volatile __u64 *now;
    __u64 generation;

    if (!meta)
        return false; /* fail closed: cannot happen */
    slot = *(volatile __u32 *)&meta->live & (MSP_SLOTS - 1);
    now = &meta->slot[slot].generation;
    generation = *now;
    if (generation && p->port && !target_has_port(slot, p->port))
        /* fail closed: the bitmap was being refilled */
        return *now == generation;
    for (__u32 i = 0; i < STOPS; i++) {
        if (i >= p->n_stops)
            break;
        /* fail closed: no policy in force, the known addresses are shut */
        if (generation
                ? !packet_may_go(skb, p->stop[i], p->port, slot, p->is_uplink)
                : target_is_builtin(p->stop[i], p->port ? p->port : 80))
            return false;
    }
    /* fail closed: the tables were being refilled */
    return *now == generation;
}

/*
 * The whole way of a packet whose network header is at p->base.
 * @param proto of the network layer, host order
 */
static __always_inline bool packet_passes(struct __sk_buff *skb,
                                          struct packet *p, __u32 proto,
                                          bool is_direct)
{
    enum parsed found;

    if (proto == ETH_P_IP)
        found = packet_v4(skb, p, is_direct);
    else if (proto == ETH_P_IPV6)
        found = packet_v6(skb, p, is_direct);
    else
        return true;
    if (found == PARSED_OTHER)
        return true;
    if (found == PARSED_TCP)
        packet_tcp(skb, p, is_direct);
    else if (found == PARSED_PORTS)
        packet_ports(skb, p);
    if (p->is_harmless)
        return true;
    /* fail closed: no stack sends what cannot be followed */
    return found != PARSED_BAD && packet_judge(skb, p);
}
