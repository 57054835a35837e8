/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Whom the current task is charged to; see include/msp/payer.h. */
#pragma once

#include <msp/payer.h>

#include "lib/host.bpf.h"
#include "lib/maps.bpf.h"
#include "lib/registered.bpf.h"

#define PAYER_USER_NS_MAX 32 /* as deep as the kernel lets them be */

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
 * Who is charged as a user: a process of the host, with a socket of the
 * agent's own network namespace, whose uid, or that of whoever made the user
 * namespace it is in, is one that somebody gave to it. Real root of the host
 * is charged for nothing there.
 * @param flags MSP_MARK_*; MSP_MARK_NO_IDENTITY: he was not looked at
 * @return 0 he is charged by his cgroup; else 1, and *ret_payer is set
 */
static __always_inline int payer_user(const struct msp_meta *meta, __u32 flags,
                                      __u64 *ret_payer)
{
    struct task_struct *task = bpf_get_current_task_btf();
    bool is_root = flags & MSP_MARK_ROOT;
    __u32 uid;

    if (flags & MSP_MARK_NO_IDENTITY) {
        if (subject_in_container(task, meta))
            return 0;
        is_root = subject_is_root(task);
    }
    uid = is_root ? 0 : payer_uid(task);
    /* set-user-ID programs, user namespaces of services: not one payer */
    if (!is_root && !uid)
        return 0;
    *ret_payer = msp_payer_of(is_root ? MSP_PAYER_NOBODY : MSP_PAYER_USER, uid);
    return 1;
}

/*
 * For those who are to get something, of whom subject_fill() has found out all
 * that it takes. Global, so that it is verified once and by itself.
 * @param cgroup id of the caller's
 * @param netns_cookie of the socket's network namespace
 * @param flags of the caller's mark
 * @return as include/msp/payer.h says
 */
__noinline __u64 msp_payer(__u64 cgroup, __u64 netns_cookie, __u32 flags)
{
    __u32 zero = 0;
    struct msp_meta *meta = bpf_map_lookup_elem(&msp_meta, &zero);
    __u64 payer, id = registered_top(cgroup);

    if (id)
        return msp_payer_of(MSP_PAYER_CONTAINER, id);
    if (!meta)
        return msp_payer_of(MSP_PAYER_CGROUP, cgroup); /* cannot happen */
    if (meta->netns_cookie == netns_cookie && !(flags & MSP_MARK_CONTAINER) &&
        payer_user(meta, flags, &payer))
        return payer;
    id =
        bpf_get_current_ancestor_cgroup_id(meta->scope_level + MSP_PAYER_LEVEL);
    return msp_payer_of(MSP_PAYER_CGROUP, id ? id : cgroup);
}

/* @param mark filled by subject_fill() */
static __always_inline __u64 payer_of(const struct msp_mark *mark)
{
    return msp_payer(mark->cgroup_id, mark->netns_cookie, mark->flags);
}
