/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * cgroup_skb/egress: the wall behind connect. A packet toward an endpoint in
 * enforce may open or feed a connection only if connect has decided about it:
 * the socket is the agent's own, or it was let out directly, or the endpoint
 * itself opened it. That catches sockets older than the programs, raw ones,
 * a rewritten destination and source routes. Packets that carry nothing (ACK,
 * FIN, RST) pass, so that what is over can end in order; other protocols than
 * TCP are none of its business.
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
#define PROTO_ROUTING 43
#define PROTO_FRAG    44
#define PROTO_AUTH    51
#define PROTO_OPTS    60
#define EXT_MAX       8

#define V4_HEAD  20
#define V6_HEAD  40
#define TCP_HEAD 20
#define TCP_SYN  0x02
#define TCP_ACK  0x10

/* What matters of a TCP packet. */
struct packet {
    __u8 addr[16];
    __u32 l4_off;     /* of the TCP header, from the network header */
    __u32 total_len;  /* of the packet, from the network header */
    __u32 port;       /* destination, host order; 0 = cannot be seen */
    bool is_harmless; /* opens nothing and carries nothing */
};

enum parsed {
    PARSED_OTHER = 0, /* not TCP */
    PARSED_TCP,
    PARSED_FRAGMENT, /* of a TCP packet; ports may be elsewhere */
};

static __always_inline enum parsed egress_v4(struct __sk_buff *skb,
                                             struct packet *p)
{
    __u8 *data = (void *)(long)skb->data;
    __u8 *end = (void *)(long)skb->data_end;
    __u8 copy[V4_HEAD];
    __u32 dest;

    if (data + V4_HEAD > end) {
        if (bpf_skb_load_bytes(skb, 0, copy, sizeof(copy)))
            return PARSED_OTHER; /* no IPv4 header: goes nowhere */
        data = copy;
        if (data[9] != PROTO_TCP)
            return PARSED_OTHER;
        __builtin_memcpy(&dest, data + 16, 4);
        target_map_v4(p->addr, dest);
        return PARSED_FRAGMENT; /* fail closed: ports not in reach */
    }
    if (data[9] != PROTO_TCP)
        return PARSED_OTHER;
    p->l4_off = (data[0] & 0x0f) * 4;
    p->total_len = skb->len;
    __builtin_memcpy(&dest, data + 16, 4);
    target_map_v4(p->addr, dest);
    return (data[6] & 0x3f) || data[7] ? PARSED_FRAGMENT : PARSED_TCP;
}

/* The TCP header behind the extension headers, if it is one. */
static __always_inline enum parsed egress_v6(struct __sk_buff *skb,
                                             struct packet *p)
{
    enum parsed found = PARSED_TCP;
    __u32 off = V6_HEAD;
    __u8 head[V6_HEAD], ext[2];
    __u32 next;

    if (bpf_skb_load_bytes(skb, 0, head, sizeof(head)))
        return PARSED_OTHER; /* no IPv6 header: goes nowhere */
    next = head[6];
    __builtin_memcpy(p->addr, head + 24, 16);
    for (int i = 0; i < EXT_MAX && next != PROTO_TCP; i++) {
        if (next != PROTO_HOP && next != PROTO_ROUTING && next != PROTO_FRAG &&
            next != PROTO_AUTH && next != PROTO_OPTS)
            return PARSED_OTHER;
        if (bpf_skb_load_bytes(skb, off, ext, sizeof(ext)))
            return PARSED_FRAGMENT; /* fail closed: cannot see what it is */
        if (next == PROTO_FRAG)
            found = PARSED_FRAGMENT;
        off += next == PROTO_FRAG   ? 8
               : next == PROTO_AUTH ? (ext[1] + 2) * 4
                                    : (ext[1] + 1) * 8;
        next = ext[0];
    }
    if (next != PROTO_TCP)
        found = PARSED_FRAGMENT; /* fail closed: more headers than we follow */
    p->l4_off = off;
    p->total_len = skb->len;
    return found;
}

/* Reads port and flags. */
static __always_inline void egress_tcp(struct __sk_buff *skb, struct packet *p)
{
    __u8 tcp[14];
    __u32 head_len;

    if (bpf_skb_load_bytes(skb, p->l4_off, tcp, sizeof(tcp)))
        return; /* fail closed: port 0 stands for every port */
    p->port = tcp[2] << 8 | tcp[3];
    head_len = (tcp[12] >> 4) * 4;
    p->is_harmless = p->total_len == p->l4_off + head_len &&
                     head_len >= TCP_HEAD &&
                     ((tcp[13] & (TCP_SYN | TCP_ACK)) != TCP_SYN);
}

/* Whether connect, or the endpoint, has opened this socket's connection. */
static __always_inline bool egress_is_decided(struct __sk_buff *skb,
                                              __u32 endpoint)
{
    struct bpf_sock *sk = skb->sk;
    struct msp_owner *owner;
    __u32 *own;

    if (!sk)
        return false;
    sk = bpf_sk_fullsock(sk);
    if (!sk)
        return false;
    own = bpf_sk_storage_get(&msp_own_sk, sk, NULL, 0);
    if (own && *own == MSP_OWN_UPSTREAM)
        return true;
    owner = bpf_sk_storage_get(&msp_sk_owner, sk, NULL, 0);
    return owner && owner->endpoint == endpoint &&
           (owner->kind == MSP_OWNER_DIRECT ||
            owner->kind == MSP_OWNER_INBOUND);
}

/* A TCP packet whose port is an endpoint's, or cannot be seen. */
static __noinline int egress_judge(struct __sk_buff *skb, struct packet *p,
                                   __u32 slot)
{
    struct msp_endpoint *ep = NULL;
    __u32 index = 0;
    int r;

    r = target_endpoint(slot, p->addr, p->port, &index, &ep);
    if (r == TARGET_NONE)
        return EGRESS_PASS;
    if (r == TARGET_ENDPOINT && ep && ep->mode != MSP_MODE_ENFORCE &&
        ep->mode != MSP_MODE_NONE)
        return EGRESS_PASS;
    if (r == TARGET_ENDPOINT && egress_is_decided(skb, index))
        return EGRESS_PASS;
    /* fail closed: nobody decided, or the tables are not whole */
    event_stat(MSP_STAT_EGRESS_DENIED);
    return EGRESS_DROP;
}

SEC("cgroup_skb/egress")

int msp_egress(struct __sk_buff *skb)
{
    __u32 proto = skb->protocol, zero = 0, slot;
    struct msp_meta *meta;
    struct packet p = {};
    enum parsed found;
    __u64 generation;

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
    meta = bpf_map_lookup_elem(&msp_meta, &zero);
    if (!meta)
        return EGRESS_DROP; /* fail closed: cannot happen */
    slot = meta->live & (MSP_SLOTS - 1);
    generation = *(volatile __u64 *)&meta->slot[slot].generation;
    if (!generation)
        /* fail closed: no policy in force, the known addresses are shut */
        return target_is_builtin(p.addr, p.port ? p.port : 80) ? EGRESS_DROP
                                                               : EGRESS_PASS;
    if (p.port && !target_has_port(slot, p.port))
        return EGRESS_PASS;
    return egress_judge(skb, &p, slot);
}
