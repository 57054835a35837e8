/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * lsm/socket_*: a second layer for what the cgroup hooks do not see. No
 * endpoint speaks anything but TCP, and TCP is judged at connect; so a socket
 * of another kind that wants to go to an endpoint in enforce is refused before
 * a packet is made. TCP (MSG_FASTOPEN, MPTCP and SMC among it) and UDP are left
 * to connect and sendmsg, ICMP to nobody. connect() with AF_UNSPEC disconnects.
 *
 * A packet socket names no address: its frames are judged by the uplink's
 * guard, and what would bring them past it, in the namespace of the uplinks,
 * is refused to all but real root.
 */
#include <msp/lsm.h>

#include "lib/event.bpf.h"
#include "lib/host.bpf.h"
#include "lib/lsm.bpf.h"
#include "lib/scope.bpf.h"
#include "lib/target.bpf.h"

#define EPERM 1

#define AF_UNSPEC 0
#define AF_INET   2
#define AF_INET6  10
#define AF_PACKET 17
#define AF_XDP    44

#define SOCK_RAW 3

#define PROTO_ICMP   1
#define PROTO_TCP    6
#define PROTO_UDP    17
#define PROTO_ICMPV6 58
#define PROTO_SMC    256
#define PROTO_MPTCP  262

#define SOL_PACKET          263
#define PACKET_QDISC_BYPASS 20

/* The start of any of the address structures. */
struct name {
    __u16 family;
    __be16 port;
    __be32 flow_or_addr4; /* of AF_INET: the address */
    __u8 addr6[16];
};

/* One refusal. */
struct refusal {
    struct msp_meta *meta;
    enum msp_reason reason;
    __u32 endpoint;
    __u32 port; /* host order */
    __u64 netns_cookie;
    __u8 addr[16];
};

static __noinline int backstop_record(const struct refusal *f)
{
    struct msp_refusal r = {
        .slot = f->meta->live & (MSP_SLOTS - 1),
        .netns_cookie = f->netns_cookie,
        .endpoint = f->endpoint,
        .reason = f->reason,
        .port = f->port,
    };

    r.generation = f->meta->slot[r.slot].generation;
    __builtin_memcpy(r.addr, f->addr, 16);
    event_refusal(&r);
    return 0;
}

/*
 * Whether others than the backstop judge where this socket goes. One of SMC
 * connects by a TCP socket of its own, as a caller of ours: connect judges that.
 */
static __always_inline bool backstop_is_judged(const struct sock *sk)
{
    __u32 proto = sk->sk_protocol;

    if (sk->__sk_common.skc_family != AF_INET &&
        sk->__sk_common.skc_family != AF_INET6)
        return true;
    return proto == PROTO_ICMP || proto == PROTO_ICMPV6 ||
           (sk->sk_type != SOCK_RAW &&
            (proto == PROTO_TCP || proto == PROTO_MPTCP || proto == PROTO_SMC ||
             proto == PROTO_UDP));
}

/* Is this an endpoint in enforce? Port 0 stands for all. */
static __noinline bool backstop_is_shut(struct refusal *f)
{
    __u32 slot = *(volatile __u32 *)&f->meta->live & (MSP_SLOTS - 1);
    volatile __u64 *now = &f->meta->slot[slot].generation;
    __u64 generation = *now;
    struct msp_endpoint *ep = NULL;
    int found;

    if (!generation)
        /* fail closed: no policy in force, the known addresses are shut */
        return target_is_builtin(f->addr, f->port ? f->port : 80);
    found = target_endpoint(slot, f->addr, f->port, &f->endpoint, &ep);
    if (*now != generation)
        return true; /* fail closed: the tables were being refilled */
    if (found == TARGET_NONE)
        return false;
    /* fail closed: also when the tables are not whole */
    return found != TARGET_ENDPOINT || !ep ||
           (ep->mode != MSP_MODE_AUDIT && ep->mode != MSP_MODE_DISABLED);
}

/* @param name where to; its family is that of an address */
static __always_inline int
backstop_judge(struct msp_meta *meta, struct sock *sk, const struct name *name)
{
    struct refusal f = {.meta = meta,
                        .reason = MSP_REASON_SOCKET_KIND,
                        .endpoint = MSP_EP_NONE};

    /* the port of a raw socket's address is a protocol, or nothing */
    f.port = sk->sk_type == SOCK_RAW ? 0 : bpf_ntohs(name->port);
    f.netns_cookie = sk->__sk_common.skc_net.net->net_cookie;
    if (name->family == AF_INET)
        target_map_v4(f.addr, name->flow_or_addr4);
    else
        __builtin_memcpy(f.addr, name->addr6, 16);
    if (!backstop_is_shut(&f))
        return 0;
    backstop_record(&f);
    return -EPERM;
}

/* Sockets of the kernel, and processes that are not ours, are let alone. */
static __always_inline struct msp_meta *backstop_meta(struct sock *sk)
{
    struct msp_meta *meta = scope_meta();

    if (!meta || backstop_is_judged(sk) ||
        BPF_CORE_READ_BITFIELD(sk, sk_kern_sock) || !scope_has_current(meta))
        return NULL;
    return meta;
}

/* (socket, address, length): the address is the kernel's copy. */
SEC("lsm/socket_connect")

int msp_l_connect(__u64 *ctx)
{
    struct socket *sock = (void *)ctx[0];
    struct sock *sk = sock->sk;
    struct name name = {};
    struct msp_meta *meta;

    if (!sk)
        return 0;
    meta = backstop_meta(sk);
    if (!meta || bpf_probe_read_kernel(&name, sizeof(name), (void *)ctx[1]))
        return 0;
    if (name.family != AF_INET && name.family != AF_INET6)
        return 0;
    return backstop_judge(meta, sk, &name);
}

/* The peer of a connected socket. */
static __always_inline void backstop_peer(struct sock *sk, struct name *name)
{
    name->family = sk->__sk_common.skc_family;
    name->port = sk->__sk_common.skc_dport;
    name->flow_or_addr4 = sk->__sk_common.skc_daddr;
    __builtin_memcpy(name->addr6, sk->__sk_common.skc_v6_daddr.bytes, 16);
}

/* (socket, message, size): connected before there was a backstop, or not. */
SEC("lsm/socket_sendmsg")

int msp_l_sendmsg(__u64 *ctx)
{
    struct socket *sock = (void *)ctx[0];
    struct msghdr *msg = (void *)ctx[1];
    struct sock *sk = sock->sk;
    struct name name = {};
    struct msp_meta *meta;

    if (!sk)
        return 0;
    meta = backstop_meta(sk);
    if (!meta)
        return 0;
    if (!msg->msg_name)
        backstop_peer(sk, &name);
    else if (bpf_probe_read_kernel(&name, sizeof(name), msg->msg_name))
        return 0;
    /* raw sockets take AF_UNSPEC for their own family */
    if (name.family == AF_UNSPEC)
        name.family = sk->__sk_common.skc_family;
    if (name.family != AF_INET && name.family != AF_INET6)
        return 0;
    return backstop_judge(meta, sk, &name);
}

static __always_inline int backstop_refuse(struct msp_meta *meta,
                                           enum msp_reason reason)
{
    struct task_struct *task = bpf_get_current_task_btf();
    struct refusal f = {
        .meta = meta, .reason = reason, .endpoint = MSP_EP_NONE};

    f.netns_cookie = task->nsproxy->net_ns->net_cookie;
    backstop_record(&f);
    return -EPERM;
}

/* Frames that leave without a guard would leave by an uplink. */
static __always_inline bool backstop_has_uplinks(__u64 netns_cookie)
{
    struct msp_lsm_state *state = lsm_state();

    /* fail closed: of a namespace that is not known yet */
    return !state || !state->netns_cookie ||
           state->netns_cookie == netns_cookie;
}

static __always_inline bool backstop_is_root(const struct msp_meta *meta)
{
    struct task_struct *task = bpf_get_current_task_btf();

    return !subject_in_container(task, meta) && subject_is_root(task);
}

/* (socket, level, option): frames past the guard of their device. */
SEC("lsm/socket_setsockopt")

int msp_l_bypass(__u64 *ctx)
{
    struct socket *sock = (void *)ctx[0];
    struct msp_meta *meta = scope_meta();
    struct sock *sk = sock->sk;

    if ((int)ctx[1] != SOL_PACKET || (int)ctx[2] != PACKET_QDISC_BYPASS ||
        !sk || !meta || sk->__sk_common.skc_family != AF_PACKET)
        return 0;
    if (!scope_has_current(meta) || backstop_is_root(meta) ||
        !backstop_has_uplinks(sk->__sk_common.skc_net.net->net_cookie))
        return 0;
    return backstop_refuse(meta, MSP_REASON_PAST_GUARD);
}

/* (family, type, protocol, kern): the same by a socket that is made for it. */
SEC("lsm/socket_create")

int msp_l_xdp(__u64 *ctx)
{
    struct task_struct *task = bpf_get_current_task_btf();
    struct msp_meta *meta = scope_meta();

    if ((int)ctx[0] != AF_XDP || ctx[3] || !meta || !task->nsproxy)
        return 0;
    if (!scope_has_current(meta) || backstop_is_root(meta) ||
        !backstop_has_uplinks(task->nsproxy->net_ns->net_cookie))
        return 0;
    return backstop_refuse(meta, MSP_REASON_PAST_GUARD);
}

/* --deny-raw-in-containers. The kernel makes its own sockets in this context. */
SEC("lsm/socket_create")

int msp_l_raw(__u64 *ctx)
{
    struct task_struct *task = bpf_get_current_task_btf();
    int family = ctx[0], type = ctx[1], kern = ctx[3];
    struct msp_meta *meta = scope_meta();

    if (family != AF_PACKET && family != AF_XDP &&
        ((family != AF_INET && family != AF_INET6) || type != SOCK_RAW))
        return 0;
    if (kern || !meta || !scope_has_current(meta) ||
        !subject_in_container(task, meta))
        return 0;
    return backstop_refuse(meta, MSP_REASON_RAW_IN_CONTAINER);
}
