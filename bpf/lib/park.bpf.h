/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A namespace without a listener: who may connect waits there for one. See
 * include/msp/parked.h. Here: asking for it.
 */
#pragma once

#include "lib/event.bpf.h"
#include "lib/maps.bpf.h"

#define BPF_F_ANY_NETNS -1 /* of the socket that asks */
#define PARK_LOOPBACK   bpf_htonl(0x7f000001)
#define PARK_NEW        0x10000u /* beside the port: its SYN is to wait */

/*
 * The first port nobody listens on there. Somebody may have bound it and not
 * listen: then the listener gets another one, and only who is parked fails.
 * @return 0 all are taken
 */
static __noinline __u32 park_port(struct bpf_sock_addr *ctx)
{
    struct bpf_sock_tuple tuple = {};

    tuple.ipv4.daddr = PARK_LOOPBACK;
    for (__u32 i = 0; i <= MSP_PORT_LAST - MSP_PORT_FIRST; i++) {
        struct bpf_sock *sk;

        tuple.ipv4.dport = bpf_htons(MSP_PORT_FIRST + i);
        sk = bpf_skc_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv4),
                                BPF_F_ANY_NETNS, 0);
        if (!sk)
            return MSP_PORT_FIRST + i;
        bpf_sk_release(sk);
    }
    return 0;
}

/* @return address of the ticket that was taken; NULL its cgroup has no more */
static __always_inline __u64 *park_take(struct msp_park *park, __u64 now)
{
    struct msp_tickets *all;

    park->bucket = msp_park_bucket(park->cgroup_id);
    all = bpf_map_lookup_elem(&msp_tickets, &park->bucket);
    if (!all)
        return NULL; /* fail closed: cannot happen */
    for (__u32 i = 0; i < MSP_PARKED_PER_CGROUP; i++) {
        __u64 old = *(volatile __u64 *)&all->until_ns[i];

        if (old > now || __sync_val_compare_and_swap(&all->until_ns[i], old,
                                                     park->until_ns) != old)
            continue;
        park->ticket = i;
        return &all->until_ns[i];
    }
    return NULL;
}

/*
 * Whether the caller lives where its socket was made: mspd finds the namespace
 * by the caller.
 */
static __always_inline bool park_is_home(const struct task_struct *task,
                                         __u64 cookie)
{
    return task->nsproxy && task->nsproxy->net_ns->net_cookie == cookie;
}

/*
 * What a namespace's row says. @return as park_ask; -1 to ask
 */
static __always_inline long park_row(const __u64 *cookie, __u64 now,
                                     bool *ret_is_there)
{
    struct msp_netns *ns = bpf_map_lookup_elem(&msp_netns, cookie);
    __u32 state, port;
    __u64 until;

    *ret_is_there = ns != NULL;
    if (!ns)
        return -1;
    state = *(volatile __u32 *)&ns->state;
    port = *(volatile __u16 *)&ns->port;
    until = *(volatile __u64 *)&ns->until_ns;
    /* fail closed: a row that went meanwhile may be another namespace's */
    if (bpf_map_lookup_elem(&msp_netns, cookie) != ns)
        return 0;
    if (state == MSP_NETNS_READY)
        return port;
    if (until <= now)
        return -1;
    return state == MSP_NETNS_PARKED ? port | PARK_NEW : 0;
}

/*
 * Takes over a row whose time is over: in place, and only what it was, so that
 * one that is ready by now stays. Its end says whose it is: no two rows have
 * the same, and READY has none.
 * @return 0; -1 it is somebody else's by now
 */
static __always_inline long park_renew(const __u64 *cookie,
                                       const struct msp_netns *row, __u64 now)
{
    __u64 until, was, is = row->state | (__u64)row->port << 32;
    struct msp_netns *ns = bpf_map_lookup_elem(&msp_netns, cookie);
    __u64 *word;

    if (!ns)
        return -1;
    word = (__u64 *)&ns->state; /* and the port */
    until = *(volatile __u64 *)&ns->until_ns;
    was = *(volatile __u64 *)word;
    if (!until || until > now || (__u32)was == MSP_NETNS_READY ||
        __sync_val_compare_and_swap(&ns->until_ns, until, row->until_ns) !=
            until)
        return -1;
    return __sync_val_compare_and_swap(word, was, is) == was ? 0 : -1;
}

/*
 * Asks mspd for a listener in the namespace of this connect, if nobody has.
 * Global, so that it is verified once and by itself.
 * @param payer whom it is charged to
 * @return its port, with PARK_NEW unless it is there; 0: nothing to wait for
 */
__noinline __u32 msp_park_ask(struct bpf_sock_addr *ctx, __u64 payer)
{
    struct task_struct *task = bpf_get_current_task_btf();
    __u64 now = bpf_ktime_get_ns();
    struct msp_park park = {.payer = payer, .until_ns = now + MSP_PARK_NS};
    struct msp_netns row = {.until_ns = park.until_ns,
                            .state = MSP_NETNS_PARKED};
    bool is_there;
    __u64 *ticket;
    long found;

    park.netns_cookie = bpf_get_netns_cookie(ctx);
    found = park_row(&park.netns_cookie, now, &is_there);
    if (found >= 0)
        return found;
    park.cgroup_id = bpf_get_current_cgroup_id();
    park.tid = task->pid;
    park.tgid = task->tgid;
    row.port = park_port(ctx);
    park.port = row.port;
    /* fail closed: nobody would find the namespace, or no port is free */
    if (!park_is_home(task, park.netns_cookie) || !row.port)
        return 0;
    ticket = park_take(&park, now);
    if (!ticket)
        return 0; /* fail closed: enough of this cgroup's wait */
    /* whoever made or renewed one meanwhile has asked himself */
    if (is_there ? park_renew(&park.netns_cookie, &row, now)
                 : bpf_map_update_elem(&msp_netns, &park.netns_cookie, &row,
                                       BPF_NOEXIST)) {
        __sync_val_compare_and_swap(ticket, park.until_ns, 0);
        found = park_row(&park.netns_cookie, now, &is_there);
        return found > 0 ? found : 0; /* fail closed: no room for a row */
    }
    if (bpf_ringbuf_output(&msp_park_ring, &park, sizeof(park),
                           BPF_RB_FORCE_WAKEUP)) {
        /* fail closed: mspd would not know of it */
        bpf_map_delete_elem(&msp_netns, &park.netns_cookie);
        __sync_val_compare_and_swap(ticket, park.until_ns, 0);
        return 0;
    }
    event_stat(MSP_STAT_PARKED);
    return row.port | PARK_NEW;
}
