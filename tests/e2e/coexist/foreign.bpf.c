/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What others attach where we are: a socket load balancer that knows virtual
 * addresses (198.51.100.7, documentation only), and one that pardons. Nothing
 * here is ours.
 */
#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define VIP    bpf_htonl(0xc6336407u)
#define IMDS   bpf_htonl(0xa9fea9feu)
#define MAPPED bpf_htonl(0xffffu)

/* The virtual address stands for an endpoint. */
SEC("cgroup/connect4")

int vip_connect4(struct bpf_sock_addr *ctx)
{
    if (ctx->user_ip4 == VIP)
        ctx->user_ip4 = IMDS;
    return 1;
}

SEC("cgroup/connect6")

int vip_connect6(struct bpf_sock_addr *ctx)
{
    if (ctx->user_ip6[2] == MAPPED && ctx->user_ip6[3] == VIP)
        ctx->user_ip6[3] = IMDS;
    return 1;
}

SEC("cgroup/sendmsg4")

int vip_sendmsg4(struct bpf_sock_addr *ctx)
{
    if (ctx->user_ip4 == VIP)
        ctx->user_ip4 = IMDS;
    return 1;
}

/* Takes back what others have denied. */
SEC("cgroup/connect4")

int pardon_connect4(struct bpf_sock_addr *ctx)
{
    bpf_set_retval(0);
    return 1;
}

/* Sends to the endpoint what others have sent elsewhere. */
SEC("cgroup/connect4")

int undo_connect4(struct bpf_sock_addr *ctx)
{
    if (ctx->user_ip4 == bpf_htonl(0x7f000001u)) {
        ctx->user_ip4 = IMDS;
        ctx->user_port = bpf_htons(80);
    }
    return 1;
}

char foreign_license[] SEC("license") = "Dual BSD/GPL";
