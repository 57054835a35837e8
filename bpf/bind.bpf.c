/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * cgroup/bind4 and 6: the listener port of a network namespace is the
 * agent's; nobody else may collect what is redirected there. Who had bound it
 * before is seen when he listens (flow.bpf.c).
 */
#include "lib/event.bpf.h"
#include "lib/maps.bpf.h"
#include "lib/target.bpf.h"

static __always_inline int bind_any(struct bpf_sock_addr *ctx,
                                    struct bpf_sock *sk)
{
    __u32 port = bpf_ntohs(ctx->user_port);
    struct msp_netns *ns;
    __u64 cookie;
    __u32 *own;

    if (!target_is_listener_port(port) || ctx->type != MSP_SOCK_STREAM)
        return 1;
    if (!sk)
        return 0; /* fail closed: cannot happen */
    own = bpf_sk_storage_get(&msp_own_sk, sk, NULL, 0);
    if (own && *own == MSP_OWN_LISTENER)
        return 1;
    cookie = bpf_get_netns_cookie(ctx);
    ns = bpf_map_lookup_elem(&msp_netns, &cookie);
    if (!ns || ns->port != port)
        return 1;
    event_stat(MSP_STAT_BIND_DENIED);
    return 0;
}

SEC("cgroup/bind4")

int msp_bind4(struct bpf_sock_addr *ctx)
{
    return bind_any(ctx, ctx->sk);
}

SEC("cgroup/bind6")

int msp_bind6(struct bpf_sock_addr *ctx)
{
    return bind_any(ctx, ctx->sk);
}
