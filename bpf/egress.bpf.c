/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * cgroup_skb/egress: the wall behind connect. A packet toward an endpoint in
 * enforce may open or feed a connection only if connect has decided about it:
 * the socket is the agent's own, or it was let out directly, or the endpoint
 * itself opened it. That catches sockets older than the programs, raw ones,
 * a rewritten destination and source routes, whose last stop counts as much as
 * their next. Packets that carry nothing (ACK, FIN, RST) pass, so that what is
 * over can end in order. SCTP, DCCP and UDPLITE have no business there at all;
 * UDP is the datagram hooks', ICMP nobody's.
 *
 * It also holds back the SYNs of connects that wait for a listener.
 *
 * Every packet of the host passes here. UDP ends after one compare, TCP to
 * another port after reading its header in place and one bit of the bitmap.
 */
#include "lib/packet.bpf.h"

#define EGRESS_DROP 0
#define EGRESS_PASS 1

/*
 * Whether this SYN has to wait: its socket is parked, and the listener is not
 * where it was expected. Once it is, the socket is like any other.
 * Global, since the verifier would look at it for each kind of packet.
 * @param port destination, host order; @return 1 it does, 0
 */
int msp_holds(struct __sk_buff *skb, __u32 port);

__noinline int msp_holds(struct __sk_buff *skb, __u32 port)
{
    struct bpf_sock *sk = skb->sk;
    struct msp_owner *owner;
    struct msp_netns *ns;
    bool is_ready;
    __u64 cookie;

    if (!sk)
        return 0;
    sk = bpf_sk_fullsock(sk);
    if (!sk)
        return 0;
    owner = bpf_sk_storage_get(&msp_sk_owner, sk, NULL, 0);
    if (!owner || !owner->is_parked)
        return 0;
    cookie = owner->mark.netns_cookie;
    ns = bpf_map_lookup_elem(&msp_netns, &cookie);
    /* fail closed: not there yet, or somebody else may listen at that port */
    is_ready = ns && *(volatile __u32 *)&ns->state == MSP_NETNS_READY &&
               *(volatile __u16 *)&ns->port == port;
    if (!is_ready || bpf_map_lookup_elem(&msp_netns, &cookie) != ns)
        return 1;
    owner->is_parked = 0;
    return 0;
}

SEC("cgroup_skb/egress")

int msp_egress(struct __sk_buff *skb)
{
    /* sockets of these families have copied what they send */
    struct packet p = {.fixed = PACKET_ALL};

    if (!packet_passes(skb, &p, bpf_ntohs(skb->protocol), true)) {
        event_stat(MSP_STAT_EGRESS_DENIED);
        return EGRESS_DROP;
    }
    if (!target_is_listener_port(p.port) || !(p.tcp_flags & TCP_SYN))
        return EGRESS_PASS;
    return msp_holds(skb, p.port) ? EGRESS_DROP : EGRESS_PASS;
}
