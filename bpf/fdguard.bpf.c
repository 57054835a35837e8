/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * sk_msg, opt-in: a connection to an endpoint is its maker's. Who got the
 * socket from him, by inheritance or over a socket, and is another user or in
 * another container, may not write to it. What is read cannot be kept from
 * him. Every write of a socket in msp_fd_socks comes here, however it is made.
 */
#include "lib/container.bpf.h"
#include "lib/event.bpf.h"
#include "lib/maps.bpf.h"
#include "lib/target.bpf.h"

static __noinline void fd_record(struct sk_msg_md *msg,
                                 const struct msp_owner *owner)
{
    struct msp_refusal r = {
        .netns_cookie = bpf_get_netns_cookie(msg),
        .endpoint = owner->mark.endpoint,
        .reason = MSP_REASON_PASSED_SOCKET,
        .port = owner->mark.port,
    };
    __u32 zero = 0;
    struct msp_meta *meta = bpf_map_lookup_elem(&msp_meta, &zero);

    if (!meta)
        return;
    r.slot = meta->live & (MSP_SLOTS - 1);
    r.generation = meta->slot[r.slot].generation;
    __builtin_memcpy(r.addr, owner->mark.addr, 16);
    event_stat(MSP_STAT_FD_DENIED);
    event_refusal(&r);
}

/* Is the current task one that may use what `owner` has connected? */
static __always_inline bool fd_is_owner(const struct msp_owner *owner)
{
    struct task_struct *task = bpf_get_current_task_btf();
    struct msp_container own;

    /* fail closed: kernel threads write for others */
    if ((task->flags & PF_KTHREAD) || !task->mm)
        return false;
    if (task->cred->euid.val != owner->mark.uid)
        return false;
    /* fail closed: who is nowhere is not there */
    return !container_fill(&own) && container_is(&own, &owner->container);
}

SEC("sk_msg")

int msp_fd_guard(struct sk_msg_md *msg)
{
    __u32 zero = 0;
    struct msp_meta *meta = bpf_map_lookup_elem(&msp_meta, &zero);
    struct bpf_sock *sk = msg->sk;
    struct msp_owner *owner;

    if (meta && !(meta->flags & MSP_META_FD_GUARD))
        return SK_PASS; /* switched off since */
    if (!sk)
        return SK_DROP; /* fail closed: cannot happen */
    owner = bpf_sk_storage_get(&msp_sk_owner, sk, NULL, 0);
    if (!owner)
        return SK_DROP; /* fail closed: nobody knows whose this is */
    if (fd_is_owner(owner) ||
        !target_is_enforced(owner->mark.addr, owner->mark.port))
        return SK_PASS;
    fd_record(msg, owner);
    return SK_DROP;
}
