/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * cgroup_skb/egress: the wall behind connect. A packet toward an endpoint in
 * enforce may open or feed a connection only if connect has decided about it:
 * the socket is the agent's own, or it was let out directly, or the endpoint
 * itself opened it. That catches sockets older than the programs, raw ones,
 * a rewritten destination and source routes, whose last stop counts as much as
 * their next. Packets that carry nothing (ACK, FIN, RST) pass, so that what is
 * over can end in order; other protocols than TCP are none of its business.
 *
 * Every packet of the host passes here. UDP ends after one compare, TCP to
 * another port after reading its header in place and one bit of the bitmap.
 */
#include "lib/event.bpf.h"
#include "lib/maps.bpf.h"
#include "lib/target.bpf.h"

#define EGRESS_DROP 0
#define EGRESS_PASS 1

#define ETH_P_IP   0x0800
#define ETH_P_IPV6 0x86dd

#define PROTO_HOP     0
#define PROTO_TCP     6
#define PROTO_UDP     17
#define PROTO_ROUTING 43
#define PROTO_FRAG    44
#define PROTO_AUTH    51
#define PROTO_OPTS    60
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

/* What matters of a TCP packet. */
struct packet {
    __u8 stop[STOPS][16]; /* next one, and the ends of a source route */
    __u32 n_stops;
    __u32 l4_off;     /* of the TCP header, from the network header */
    __u32 port;       /* destination, host order; 0 = cannot be seen */
    bool is_harmless; /* opens nothing and carries nothing */
};

enum parsed {
    PARSED_OTHER = 0, /* not TCP */
    PARSED_TCP,
    PARSED_FRAGMENT, /* of a TCP packet; ports may be elsewhere */
    PARSED_BAD,      /* no stack sends it, and we cannot tell where it ends */
};

/* State of the walk over IPv4 options. */
struct options {
    struct __sk_buff *skb;
    __u32 at;
    __u32 end;
    __u32 n_routes;
    __u32 last_stop; /* be */
};

/* One option; a non-zero return ends the walk. */
static long egress_option(__u32 i, struct options *o)
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
static __noinline enum parsed egress_v4_options(struct __sk_buff *skb,
                                                struct packet *p)
{
    struct options o = {.skb = skb, .at = V4_HEAD, .end = p->l4_off};

    if (p->l4_off < V4_HEAD)
        return PARSED_FRAGMENT; /* fail closed: the ports are not there */
    bpf_loop(OPTS_MAX, egress_option, &o, 0);
    if (o.n_routes > 1)
        return PARSED_BAD; /* fail closed: a route may be there but once */
    if (o.n_routes) {
        target_map_v4(p->stop[1], o.last_stop);
        p->n_stops = 2;
    }
    return PARSED_TCP;
}

static __always_inline enum parsed egress_v4(struct __sk_buff *skb,
                                             struct packet *p)
{
    __u8 *data = (void *)(long)skb->data;
    __u8 *end = (void *)(long)skb->data_end;
    enum parsed found = PARSED_TCP;
    __u8 copy[V4_HEAD];
    bool is_fragment;
    __u32 dest;

    if (data + V4_HEAD > end) {
        if (bpf_skb_load_bytes(skb, 0, copy, sizeof(copy)))
            return PARSED_OTHER; /* no IPv4 header: goes nowhere */
        if (copy[9] != PROTO_TCP)
            return PARSED_OTHER;
        __builtin_memcpy(&dest, copy + 16, 4);
        is_fragment = (copy[6] & 0x3f) || copy[7];
        p->l4_off = (copy[0] & 0x0f) * 4;
    } else {
        if (data[9] != PROTO_TCP)
            return PARSED_OTHER;
        __builtin_memcpy(&dest, data + 16, 4);
        is_fragment = (data[6] & 0x3f) || data[7];
        p->l4_off = (data[0] & 0x0f) * 4;
    }
    target_map_v4(p->stop[0], dest);
    p->n_stops = 1;
    if (p->l4_off != V4_HEAD)
        found = egress_v4_options(skb, p);
    return found == PARSED_TCP && is_fragment ? PARSED_FRAGMENT : found;
}

/*
 * A routing header that has stops left: its two ends are destinations too.
 * The last one of RPL's (RFC 6554) has padding behind it and lacks its first
 * bytes, which are the destination's.
 */
static __always_inline int egress_v6_route(struct __sk_buff *skb,
                                           struct packet *p, __u32 off)
{
    __u32 last, more, shared = 0;
    __u8 head[6];

    if (bpf_skb_load_bytes(skb, off, head, sizeof(head)))
        return -1;
    if (!head[3])
        return 0;
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
    return bpf_skb_load_bytes(skb, V6_DEST, p->stop[2], more + 1);
}

/* The TCP header behind extension headers, if it is one. */
static __noinline enum parsed egress_v6_headers(struct __sk_buff *skb,
                                                struct packet *p, __u32 next)
{
    enum parsed found = PARSED_TCP;
    __u32 off = V6_HEAD;
    __u8 ext[2];

    for (int i = 0; i < EXT_MAX && next != PROTO_TCP; i++) {
        if (next != PROTO_HOP && next != PROTO_ROUTING && next != PROTO_FRAG &&
            next != PROTO_AUTH && next != PROTO_OPTS)
            return PARSED_OTHER;
        if (bpf_skb_load_bytes(skb, off, ext, sizeof(ext)))
            return PARSED_FRAGMENT; /* fail closed: cannot see what it is */
        if (next == PROTO_FRAG)
            found = PARSED_FRAGMENT;
        if (next == PROTO_ROUTING && egress_v6_route(skb, p, off))
            return PARSED_BAD; /* fail closed: where does it end? */
        off += next == PROTO_FRAG   ? 8
               : next == PROTO_AUTH ? (ext[1] + 2) * 4
                                    : (ext[1] + 1) * 8;
        next = ext[0];
    }
    if (next != PROTO_TCP)
        found = PARSED_FRAGMENT; /* fail closed: more headers than we follow */
    p->l4_off = off;
    return found;
}

static __always_inline enum parsed egress_v6(struct __sk_buff *skb,
                                             struct packet *p)
{
    __u8 *data = (void *)(long)skb->data;
    __u8 *end = (void *)(long)skb->data_end;
    __u8 copy[V6_HEAD];
    __u32 next;

    if (data + V6_HEAD > end) {
        if (bpf_skb_load_bytes(skb, 0, copy, sizeof(copy)))
            return PARSED_OTHER; /* no IPv6 header: goes nowhere */
        next = copy[6];
        __builtin_memcpy(p->stop[0], copy + 24, 16);
    } else {
        next = data[6];
        if (next == PROTO_UDP)
            return PARSED_OTHER;
        __builtin_memcpy(p->stop[0], data + 24, 16);
    }
    p->n_stops = 1;
    p->l4_off = V6_HEAD;
    return next == PROTO_TCP ? PARSED_TCP : egress_v6_headers(skb, p, next);
}

/*
 * Reads port and flags. The length is the buffer's, which a segmentation
 * offload makes longer than the IP header says, and a liar too.
 */
static __always_inline void egress_tcp(struct __sk_buff *skb, struct packet *p)
{
    __u8 *data = (void *)(long)skb->data;
    __u8 *end = (void *)(long)skb->data_end;
    __u8 copy[14], *tcp = copy;
    __u32 head_len;

    if (p->l4_off == V4_HEAD && data + V4_HEAD + sizeof(copy) <= end)
        tcp = data + V4_HEAD;
    else if (p->l4_off == V6_HEAD && data + V6_HEAD + sizeof(copy) <= end)
        tcp = data + V6_HEAD;
    else if (bpf_skb_load_bytes(skb, p->l4_off, copy, sizeof(copy)))
        return; /* fail closed: port 0 stands for every port */
    p->port = tcp[2] << 8 | tcp[3];
    head_len = (tcp[12] >> 4) * 4;
    p->is_harmless = skb->len == p->l4_off + head_len && head_len >= TCP_HEAD &&
                     (tcp[13] & (TCP_SYN | TCP_ACK)) != TCP_SYN;
}

/*
 * Whether connect, or the endpoint, has opened this socket's connection, to
 * this very address: a packet whose destination was rewritten is another's.
 */
static __always_inline bool egress_is_decided(struct __sk_buff *skb,
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
    if (!owner || owner->port != port ||
        (owner->kind != MSP_OWNER_DIRECT && owner->kind != MSP_OWNER_INBOUND))
        return false;
    target_words(addr, is);
    target_words(owner->addr, was);
    return is[0] == was[0] && is[1] == was[1] && is[2] == was[2] &&
           is[3] == was[3];
}

/* May a packet whose port is an endpoint's, or cannot be seen, go there? */
static __noinline bool egress_may_go(struct __sk_buff *skb, const __u8 addr[16],
                                     __u32 port, __u32 slot)
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
    return egress_is_decided(skb, addr, port);
}

/* Every stop of a packet that opens or feeds. */
static __noinline int egress_judge(struct __sk_buff *skb, struct packet *p)
{
    __u32 zero = 0, slot;
    struct msp_meta *meta = bpf_map_lookup_elem(&msp_meta, &zero);
    volatile __u64 *now;
    __u64 generation;

    if (!meta)
        return EGRESS_DROP; /* fail closed: cannot happen */
    slot = *(volatile __u32 *)&meta->live & (MSP_SLOTS - 1);
    now = &meta->slot[slot].generation;
    generation = *now;
    if (generation && p->port && !target_has_port(slot, p->port))
        /* fail closed: the bitmap was being refilled */
        return *now == generation ? EGRESS_PASS : EGRESS_DROP;
    for (__u32 i = 0; i < STOPS; i++) {
        if (i >= p->n_stops)
            break;
        /* fail closed: no policy in force, the known addresses are shut */
        if (generation ? !egress_may_go(skb, p->stop[i], p->port, slot)
                       : target_is_builtin(p->stop[i], p->port ? p->port : 80))
            return EGRESS_DROP;
    }
    /* fail closed: the tables were being refilled */
    return *now == generation ? EGRESS_PASS : EGRESS_DROP;
}

SEC("cgroup_skb/egress")

int msp_egress(struct __sk_buff *skb)
{
    __u32 proto = skb->protocol;
    struct packet p = {};
    enum parsed found;
    int r;

    if (proto == bpf_htons(ETH_P_IP))
        found = egress_v4(skb, &p);
    else if (proto == bpf_htons(ETH_P_IPV6))
        found = egress_v6(skb, &p);
    else
        return EGRESS_PASS;
    if (found == PARSED_OTHER)
        return EGRESS_PASS;
    if (found == PARSED_TCP)
        egress_tcp(skb, &p);
    if (p.is_harmless)
        return EGRESS_PASS;
    /* fail closed: no stack sends what cannot be followed */
    r = found == PARSED_BAD ? EGRESS_DROP : egress_judge(skb, &p);
    if (r == EGRESS_DROP)
        event_stat(MSP_STAT_EGRESS_DENIED);
    return r;
}
