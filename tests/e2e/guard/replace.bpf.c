/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* A program of anybody's with a function, and one that takes the function's
 * place, as one could take that of a function of ours. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

char attack_license[] SEC("license") = "GPL";

int attack_part(struct xdp_md *ctx);

__attribute__((noinline)) int attack_part(struct xdp_md *ctx)
{
    return ctx->ingress_ifindex ? XDP_PASS : XDP_DROP;
}

SEC("xdp")

int attack_whole(struct xdp_md *ctx)
{
    return attack_part(ctx);
}

SEC("freplace/attack_part")

int attack_place(struct xdp_md *ctx)
{
    return ctx->ingress_ifindex ? XDP_DROP : XDP_PASS;
}
