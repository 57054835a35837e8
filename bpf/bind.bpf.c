/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * cgroup/bind4 and 6: the listener port of a network namespace is the
 * agent's; nobody else may collect what is redirected there. Who had bound it
 * before is seen when he listens (flow.bpf.c). Where the agent lives, the other
 * ports of the range are, where loopback reaches them, for real root of the host
 * alone, as the next agent is: who listens at all would leave it none.
 */
#include "lib/event.bpf.h"
#include "lib/host.bpf.h"
#include "lib/maps.bpf.h"
#include "lib/target.bpf.h"

/* Whether a port of the range is to be there for the next agent. */
static __always_inline bool bind_is_kept(__u64 cookie, const __u8 addr[16])
{
    struct task_struct *task = bpf_get_current_task_btf();
    __u32 zero = 0;
    struct msp_meta *meta = bpf_map_lookup_elem(&msp_meta, &zero);

    if (!meta)
        return true; /* fail closed: cannot happen */
    return meta->netns_cookie == cookie && target_is_loopback(addr) &&
           (subject_in_container(task, meta) || !subject_is_root(task));
}

static __always_inline int bind_any(struct bpf_sock_addr *ctx,
                                    struct bpf_sock *sk, const __u8 addr[16])
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
    if ((!ns || ns->port != port) && !bind_is_kept(cookie, addr))
        return 1;
    event_stat(MSP_STAT_BIND_DENIED);
    return 0;
}

SEC("cgroup/bind4")

int msp_bind4(struct bpf_sock_addr *ctx)
{
    __u8 addr[16];

    target_map_v4(addr, ctx->user_ip4);
    return bind_any(ctx, ctx->sk, addr);
}

SEC("cgroup/bind6")

int msp_bind6(struct bpf_sock_addr *ctx)
{
    __u32 word[4];

    /* one by one, at offsets that clang knows */
    word[0] = *(volatile __u32 *)&ctx->user_ip6[0];
    word[1] = *(volatile __u32 *)&ctx->user_ip6[1];
    word[2] = *(volatile __u32 *)&ctx->user_ip6[2];
    word[3] = *(volatile __u32 *)&ctx->user_ip6[3];
    return bind_any(ctx, ctx->sk, (const __u8 *)word);
}
