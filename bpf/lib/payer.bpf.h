/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Whom the current task is charged to; see include/msp/payer.h. */
#pragma once

#include <msp/payer.h>

#include "lib/host.bpf.h"
#include "lib/maps.bpf.h"
#include "lib/registered.bpf.h"

#define PAYER_USER_NS_MAX 32 /* as deep as the kernel lets them be */

/*
 * Whether this is a process of the host, with a socket of the agent's own
 * network namespace, whose uid, or that of whoever made the user namespace it
 * is in, is one that somebody gave to it.
 */
static __always_inline bool payer_is_user(struct bpf_sock_addr *ctx,
                                          struct task_struct *task,
                                          const struct msp_meta *meta)
{
    return meta->netns_cookie == bpf_get_netns_cookie(ctx) &&
           !subject_in_container(task, meta);
}

/*
 * In a user namespace of his own a user may be any of a range, and make others
 * in it: all are his who made the first.
 */
static __always_inline __u32 payer_uid(struct task_struct *task)
{
    struct user_namespace *ns = task->cred->user_ns;

    if (ns->level == 0)
        return task->cred->euid.val;
    for (int i = 0; i < PAYER_USER_NS_MAX && ns->level > 1; i++)
        ns = ns->parent;
    return ns->owner.val;
}

/*
 * For those who are to get something. Global, so that it is verified once and
 * by itself.
 * @return as include/msp/payer.h says
 */
__noinline __u64 msp_payer(struct bpf_sock_addr *ctx)
{
    struct task_struct *task = bpf_get_current_task_btf();
    __u64 cgroup = bpf_get_current_cgroup_id(), id;
    __u32 zero = 0, uid;
    struct msp_meta *meta = bpf_map_lookup_elem(&msp_meta, &zero);

    id = registered_top(cgroup);
    if (id)
        return msp_payer_of(MSP_PAYER_CONTAINER, id);
    if (!meta)
        return msp_payer_of(MSP_PAYER_CGROUP, cgroup); /* cannot happen */
    if (payer_is_user(ctx, task, meta)) {
        if (subject_is_root(task))
            return msp_payer_of(MSP_PAYER_NOBODY, 0);
        uid = payer_uid(task);
        if (uid)
            return msp_payer_of(MSP_PAYER_USER, uid);
        /* set-user-ID programs, user namespaces of services: not one payer */
    }
    id =
        bpf_get_current_ancestor_cgroup_id(meta->scope_level + MSP_PAYER_LEVEL);
    return msp_payer_of(MSP_PAYER_CGROUP, id ? id : cgroup);
}
