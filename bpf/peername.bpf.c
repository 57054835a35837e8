/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * cgroup/getpeername4 and 6: a redirected client sees the address it asked
 * for, not the agent's listener.
 */
#include "lib/maps.bpf.h"
#include "lib/target.bpf.h"

/* The owner of a redirected socket; NULL for all others. */
static __always_inline struct msp_owner *peername_owner(struct bpf_sock *sk)
{
    struct msp_owner *owner;

    if (!sk)
        return NULL;
    owner = bpf_sk_storage_get(&msp_sk_owner, sk, NULL, 0);
    return owner && owner->kind == MSP_OWNER_REDIRECT ? owner : NULL;
}

SEC("cgroup/getpeername4")

int msp_peername4(struct bpf_sock_addr *ctx)
{
    struct msp_owner *owner = peername_owner(ctx->sk);
    __u32 word[4];

    if (!owner)
        return 1;
    target_words(owner->mark.addr, word);
    ctx->user_ip4 = word[3];
    ctx->user_port = bpf_htons(owner->mark.port);
    return 1;
}

SEC("cgroup/getpeername6")

int msp_peername6(struct bpf_sock_addr *ctx)
{
    struct msp_owner *owner = peername_owner(ctx->sk);
    __u32 word[4];

    if (!owner)
        return 1;
    target_words(owner->mark.addr, word);
    ctx->user_ip6[0] = word[0];
    ctx->user_ip6[1] = word[1];
    ctx->user_ip6[2] = word[2];
    ctx->user_ip6[3] = word[3];
    ctx->user_port = bpf_htons(owner->mark.port);
    return 1;
}
