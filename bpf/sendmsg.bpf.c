/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * cgroup/sendmsg4 and 6: datagrams of sockets that are not connected. A
 * v4-mapped address comes to the IPv4 hook, whatever the socket.
 */
#include "lib/datagram.bpf.h"

SEC("cgroup/sendmsg4")

int msp_sendmsg4(struct bpf_sock_addr *ctx)
{
    struct datagram d = {.ctx = ctx, .port = bpf_ntohs(ctx->user_port)};

    target_map_v4(d.addr, ctx->user_ip4);
    return datagram_judge(&d);
}

SEC("cgroup/sendmsg6")

int msp_sendmsg6(struct bpf_sock_addr *ctx)
{
    struct datagram d = {.ctx = ctx, .port = bpf_ntohs(ctx->user_port)};
    __u32 word[4];

    word[0] = ctx->user_ip6[0];
    word[1] = ctx->user_ip6[1];
    word[2] = ctx->user_ip6[2];
    word[3] = ctx->user_ip6[3];
    __builtin_memcpy(d.addr, word, 16);
    return datagram_judge(&d);
}
