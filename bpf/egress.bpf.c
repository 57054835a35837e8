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
 * Every packet of the host passes here. UDP ends after one compare, TCP to
 * another port after reading its header in place and one bit of the bitmap.
 */
#include "lib/packet.bpf.h"

#define EGRESS_DROP 0
#define EGRESS_PASS 1

SEC("cgroup_skb/egress")

int msp_egress(struct __sk_buff *skb)
{
    /* sockets of these families have copied what they send */
    struct packet p = {.fixed = PACKET_ALL};

    if (packet_passes(skb, &p, bpf_ntohs(skb->protocol), true))
        return EGRESS_PASS;
    event_stat(MSP_STAT_EGRESS_DENIED);
    return EGRESS_DROP;
}
