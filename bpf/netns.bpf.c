/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Iterators about network namespaces, for mspd: which of its listeners have
 * theirs to themselves, and where processes live whose namespace has a row.
 */
#include "lib/iter.bpf.h"
#include "lib/maps.bpf.h"

#define TCP_LISTEN 10

/*
 * What holds a network namespace: processes, descriptors, mounts, and every
 * socket of user space. @return 0 this kernel calls it otherwise
 */
static __always_inline __u32 netns_refs(struct net *net)
{
    struct net___6_18 *now = (void *)net;
    struct net___6_1 *before = (void *)net;

    if (bpf_core_field_exists(now->ns.__ns_ref))
        return now->ns.__ns_ref.refs.counter;
    if (bpf_core_field_exists(before->ns.count))
        return before->ns.count.refs.counter;
    return 0;
}

/*
 * Over mspd's own descriptors: the cookies of namespaces that nothing holds but
 * the listener there. The proxy's copy of it is the same socket; a connection
 * that is open, or waits to be accepted, is another one.
 */
SEC("iter/task_file")

int msp_it_alone(struct bpf_iter__task_file *ctx)
{
    struct task_struct *task = ctx->task;
    struct file *file = ctx->file;
    struct socket *sock;
    struct sock *sk;
    struct net *net;
    __u64 cookie;

    if (!file || !task)
        return 0;
    if (task->pid != task->tgid)
        return 0; /* 6.1 tells what threads share again for each */
    sock = bpf_sock_from_file(file);
    if (!sock)
        return 0;
    sk = sock->sk;
    if (!sk || sk->__sk_common.skc_state != TCP_LISTEN)
        return 0;
    net = sk->__sk_common.skc_net.net;
    if (!net || netns_refs(net) != 1)
        return 0;
    cookie = net->net_cookie;
    bpf_seq_write(ctx->meta->seq, &cookie, sizeof(cookie));
    return 0;
}

/* Over all processes: those in a namespace that has a row. */
SEC("iter/task")

int msp_it_netns(struct bpf_iter__task *ctx)
{
    struct task_struct *task = ctx->task;
    struct msp_netns_task found = {};
    struct msp_netns *row;

    if (!task || task->pid != task->tgid || !task->nsproxy)
        return 0;
    found.netns_cookie = task->nsproxy->net_ns->net_cookie;
    found.tgid = task->tgid;
    row = bpf_map_lookup_elem(&msp_netns, &found.netns_cookie);
    if (!row)
        return 0;
    found.payer = row->payer;
    bpf_seq_write(ctx->meta->seq, &found, sizeof(found));
    return 0;
}
