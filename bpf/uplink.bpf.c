/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * tc egress on the devices by which packets leave the host: the egress
 * guard's rule for frames that no socket of ours sent: AF_PACKET, forwarded
 * ones, those of nested VMs. What the frame is comes from the frame: a packet
 * socket may call it what it likes.
 *
 * The sender may still have the memory of a frame: the ring of a packet
 * socket, a guest's pages. Its headers are copied before they are judged. He may
 * also say where the kernel, or the device, puts a checksum later: not into what
 * was judged.
 */
#include "lib/packet.bpf.h"

#define AF_INET  2
#define AF_INET6 10

#define UPLINK_PASS (-1) /* TC_ACT_UNSPEC: the next program decides */
#define UPLINK_DROP 2    /* TC_ACT_SHOT */

#define ETH_ADDRS   12 /* both, before the type */
#define ETH_P_VLAN  0x8100
#define ETH_P_QINQ  0x88a8
#define ETH_P_802_3 0x0600 /* below: a length, LLC follows */
#define TAGS_MAX    4
#define HEAD_MAX    256 /* of all headers, to be seen */

#define SUM_PARTIAL 3 /* sk_buff.ip_summed: a checksum is still to be made */

/* 802.2 SNAP of no vendor, after which comes the type once more. */
static __always_inline bool uplink_is_snap(const __u8 *llc)
{
    return llc[0] == 0xaa && llc[1] == 0xaa && llc[2] == 3 && !llc[3] &&
           !llc[4] && !llc[5];
}

/*
 * Skips tags and LLC; moves p->base to the network header, or to what is there
 * instead of one.
 * @return its protocol, host order; 0 = none that is judged; -1 = too many
 */
static __noinline int uplink_proto(struct __sk_buff *skb, struct packet *p)
{
    __u32 off = ETH_ADDRS, proto;
    __u8 type[2], llc[8];

    for (int i = 0; i <= TAGS_MAX; i++) {
        p->base = off + sizeof(type);
        if (bpf_skb_load_bytes(skb, off, type, sizeof(type)))
            return 0; /* no frame */
        proto = type[0] << 8 | type[1];
        if (proto != ETH_P_VLAN && proto != ETH_P_QINQ)
            break;
        if (i == TAGS_MAX)
            return -1; /* fail closed: more tags than we follow */
        off += 4;
    }
    off += 2;
    if (proto < ETH_P_802_3) {
        p->base = off + sizeof(llc);
        if (bpf_skb_load_bytes(skb, off, llc, sizeof(llc)) ||
            !uplink_is_snap(llc))
            return 0;
        proto = llc[6] << 8 | llc[7];
    }
    return proto;
}

/*
 * Copies the headers to where nobody but the kernel writes. TCP of our own has
 * them there. Global: the verifier looks at it once, and at what follows.
 * @return how many bytes are there, for packet.fixed; 0 it could not be done
 */
__u32 uplink_fix(struct __sk_buff *skb);

__noinline __u32 uplink_fix(struct __sk_buff *skb)
{
    struct bpf_sock *sk = skb->sk;
    __u32 len = skb->len;

    if (sk)
        sk = bpf_sk_fullsock(sk);
    if (sk && sk->protocol == PROTO_TCP && sk->type == MSP_SOCK_STREAM &&
        (sk->family == AF_INET || sk->family == AF_INET6))
        return PACKET_ALL;
    if (len > HEAD_MAX)
        len = HEAD_MAX;
    return bpf_skb_pull_data(skb, len) ? 0 : len;
}

/*
 * Whether a checksum that is made after us begins behind the headers, where
 * the kernel takes a transport header to be then, and stays out of the first
 * `judged` bytes. Global: it is verified once. The context is the packet itself,
 * whose fields Linux 6.1 has no other way to.
 */
bool uplink_is_kept(struct __sk_buff *skb, __u32 headers, __u32 judged);

__noinline bool uplink_is_kept(struct __sk_buff *skb, __u32 headers,
                               __u32 judged)
{
    struct sk_buff *kernels = (void *)skb;
    __s64 start;

    if (BPF_CORE_READ_BITFIELD_PROBED(kernels, ip_summed) != SUM_PARTIAL)
        return true;
    start = BPF_CORE_READ(kernels, csum_start) -
            (BPF_CORE_READ(kernels, data) - BPF_CORE_READ(kernels, head));
    /* fail closed: what is judged would become something else */
    return start >= (__s64)headers &&
           start + BPF_CORE_READ(kernels, csum_offset) >= (__s64)judged;
}

static __always_inline int uplink_verdict(bool passes)
{
    if (passes)
        return UPLINK_PASS;
    event_stat(MSP_STAT_UPLINK_DENIED);
    return UPLINK_DROP;
}

/* Devices with Ethernet headers. */
SEC("tc")

int msp_uplink(struct __sk_buff *skb)
{
    struct packet p = {.is_uplink = true, .fixed = uplink_fix(skb)};
    int proto;

    if (!p.fixed)
        return uplink_verdict(false); /* fail closed: it may change yet */
    proto = uplink_proto(skb, &p);
    p.headers = p.judged = p.base;
    return uplink_verdict(proto >= 0 && packet_passes(skb, &p, proto, false) &&
                          uplink_is_kept(skb, p.headers, p.judged));
}

/* Devices without: the first four bits say which IP it is. */
SEC("tc")

int msp_uplink_l3(struct __sk_buff *skb)
{
    struct packet p = {.is_uplink = true, .fixed = uplink_fix(skb)};
    __u32 proto = 0;
    __u8 first;

    if (!p.fixed)
        return uplink_verdict(false); /* fail closed: as above */
    if (!bpf_skb_load_bytes(skb, 0, &first, sizeof(first)))
        proto = first >> 4 == 4 ? ETH_P_IP : first >> 4 == 6 ? ETH_P_IPV6 : 0;
    p.headers = p.judged = sizeof(first);
    return uplink_verdict(packet_passes(skb, &p, proto, false) &&
                          uplink_is_kept(skb, p.headers, p.judged));
}
