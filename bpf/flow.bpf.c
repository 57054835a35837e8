/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * sockops: carries the mark from the client's socket to the accepted one.
 *
 * CONNECT_CB, before the SYN leaves, publishes {tuple} -> {mark, ISN} and
 * consumes the mark, so that no later connect of that socket can use it.
 * PASSIVE_ESTABLISHED, while the accepted socket is still locked, takes the
 * entry if the ISN is the one of this very handshake. The key holds the
 * network namespace when the server is on loopback, where tuples repeat. An
 * IPv6 socket that was redirected speaks IPv4 by its mapped address.
 *
 * ACTIVE_ESTABLISHED, before the client's ACK leaves and so before anybody
 * accepts, puts the client's socket under the fd guard if that is wanted. One
 * that cannot be put there loses its mark.
 *
 * A SYN that waits for a listener (parked.h) is sent again soon and often;
 * TIMEOUT_INIT, after CONNECT_CB, says how soon. Who waited in vain is recorded
 * when his socket closes.
 *
 * A mark is good for MSP_HANDOFF_NS from connect(): a client may have its SYN
 * sent again for hours, or send it long after (a deferred fast open). An older
 * one is neither published nor taken, and RETRANS_CB collects what is there.
 *
 * Connections that an endpoint's own address and port opened to this host
 * (health probes) are noted, so that the egress guard lets the answers out.
 *
 * LISTEN, for every socket that begins to listen, takes the row of a namespace
 * away whose port is another's now.
 */
#include "lib/event.bpf.h"
#include "lib/maps.bpf.h"
#include "lib/target.bpf.h"

#define AF_INET      2
#define AF_INET6     10
#define TCP_CLOSE    7
#define TCP_SYN_SENT 2
#define SOL_TCP      6
#define TCP_SYNCNT   7

/*
 * The peer's address. Each word is read on its own, whatever the family:
 * clang would otherwise join the reads to one at a computed offset, which the
 * verifier refuses.
 */
static __always_inline void flow_remote(struct bpf_sock_ops *ops, __u32 w[4])
{
    __u32 family = ops->family;
    __u32 v4 = *(volatile __u32 *)&ops->remote_ip4;

    w[0] = *(volatile __u32 *)&ops->remote_ip6[0];
    w[1] = *(volatile __u32 *)&ops->remote_ip6[1];
    w[2] = *(volatile __u32 *)&ops->remote_ip6[2];
    w[3] = *(volatile __u32 *)&ops->remote_ip6[3];
    if (family == AF_INET) {
        w[0] = 0;
        w[1] = 0;
        w[2] = MAPPED_WORD;
        w[3] = v4;
    }
}

/* Whether the packets of this socket are IPv4. */
static __always_inline bool flow_is_v4(struct bpf_sock_ops *ops)
{
    __u32 w[4];

    flow_remote(ops, w);
    return !w[0] && !w[1] && w[2] == MAPPED_WORD;
}

/* @param is_client whose socket this is: the initiator's or the listener's */
static __always_inline void flow_key(struct bpf_sock_ops *ops, bool is_client,
                                     struct msp_flow_key *key)
{
    __u32 local = ops->local_ip4, remote = ops->remote_ip4;
    __u32 local_port = ops->local_port;
    __u32 remote_port = bpf_ntohl(ops->remote_port);
    __u32 server = is_client ? remote : local;

    target_map_v4(key->client_addr, is_client ? local : remote);
    target_map_v4(key->server_addr, server);
    key->client_port = is_client ? local_port : remote_port;
    key->server_port = is_client ? remote_port : local_port;
    key->pad = 0;
    key->netns_cookie = 0;
    if ((server & bpf_htonl(0xff000000)) == bpf_htonl(0x7f000000))
        key->netns_cookie = bpf_get_netns_cookie(ops);
}

/*
 * Entries of msp_handoff and sockets under the fd guard are counted by payer:
 * up before one is inserted, down by whoever deleted it, of whom there is one,
 * or failed to insert it. Not static: the verifier then looks at each of them
 * once, not at every call.
 */
int flow_count(__u64 payer, __u32 kind);
int flow_uncount(__u64 payer, __u32 kind);

static __always_inline struct msp_pending *flow_bucket(__u64 payer)
{
    __u32 index = 0;
    struct msp_meta *meta = bpf_map_lookup_elem(&msp_meta, &index);

    if (!meta)
        return NULL;
    index = msp_pending_bucket(payer, meta->seed);
    return bpf_map_lookup_elem(&msp_pending, &index);
}

__noinline int flow_uncount(__u64 payer, __u32 kind)
{
    __u32 *sum = bpf_map_lookup_elem(&msp_pending_sum, &kind);
    struct msp_pending *bucket = flow_bucket(payer);
    bool had = true;

    if (!bucket || !sum)
        return 0; /* cannot happen: an array has all its elements */
    if (msp_payer_kind(payer) != MSP_PAYER_NOBODY) {
        bpf_spin_lock(&bucket->lock);
        had = kind == MSP_PENDING_MARKS
                  ? msp_pending_drop(bucket, payer, MSP_PENDING_MARKS)
                  : msp_pending_drop(bucket, payer, MSP_PENDING_SOCKS);
        bpf_spin_unlock(&bucket->lock);
    }
    if (had)
        __sync_fetch_and_add(sum, -1);
    return 0;
}

/* @return 1; 0 this payer has had its share, or cannot be counted */
__noinline int flow_count(__u64 payer, __u32 kind)
{
    __u32 *sum = bpf_map_lookup_elem(&msp_pending_sum, &kind);
    struct msp_pending *bucket = flow_bucket(payer);
    bool is_counted;
    __u32 share;

    if (!bucket || !sum)
        return 0; /* fail closed: as above */
    share = msp_pending_share(payer, kind, *(volatile __u32 *)sum);
    is_counted = share != 0;
    if (msp_payer_kind(payer) != MSP_PAYER_NOBODY) {
        bpf_spin_lock(&bucket->lock);
        is_counted =
            kind == MSP_PENDING_MARKS
                ? msp_pending_add(bucket, payer, MSP_PENDING_MARKS, share)
                : msp_pending_add(bucket, payer, MSP_PENDING_SOCKS, share);
        bpf_spin_unlock(&bucket->lock);
    }
    if (is_counted)
        __sync_fetch_and_add(sum, 1);
    else
        event_stat(MSP_STAT_PENDING_FULL);
    return is_counted; /* fail closed: what is not counted is not published */
}

/*
 * Removes an entry, and counts it once. Should another one of this very tuple
 * be there by now, it is that which goes, by the payer of the first.
 */
static __always_inline void flow_remove(const struct msp_flow_key *key)
{
    struct msp_handoff *entry = bpf_map_lookup_elem(&msp_handoff, key);
    __u64 payer;

    if (!entry)
        return;
    payer = *(volatile __u64 *)&entry->mark.payer;
    if (!bpf_map_delete_elem(&msp_handoff, key))
        flow_uncount(payer, MSP_PENDING_MARKS);
}

/* Leaves the entry for the accepting side. @return false: it was not left */
static __always_inline bool flow_insert(struct bpf_sock_ops *ops,
                                        const struct msp_flow_key *key,
                                        const struct msp_handoff *entry)
{
    flow_remove(key); /* of a connection that is over */
    if (!flow_count(entry->mark.payer, MSP_PENDING_MARKS))
        return false;
    /* fail closed: table full, the proxy sees no mark */
    if (bpf_map_update_elem(&msp_handoff, key, entry, BPF_NOEXIST)) {
        flow_uncount(entry->mark.payer, MSP_PENDING_MARKS);
        return false;
    }
    /* the entry goes with this socket at the latest, sooner if it is old */
    if (bpf_sock_ops_cb_flags_set(ops, BPF_SOCK_OPS_STATE_CB_FLAG |
                                           BPF_SOCK_OPS_RETRANS_CB_FLAG)) {
        flow_remove(key);
        return false;
    }
    return true;
}

static __always_inline bool flow_is_old(__u64 made_ns)
{
    return bpf_ktime_get_ns() - made_ns > MSP_HANDOFF_NS;
}

/* Waited for a listener in vain. Global, so that it is verified once. */
int flow_late(const struct msp_mark *mark);

__noinline int flow_late(const struct msp_mark *mark)
{
    __u32 zero = 0, slot;
    struct msp_meta *meta = bpf_map_lookup_elem(&msp_meta, &zero);

    if (!meta || !mark)
        return 0;
    slot = meta->live & (MSP_SLOTS - 1);
    return msp_event_connect(
        mark, meta->slot[slot].generation, bpf_ktime_get_ns(),
        event_pack(slot, MSP_VERDICT_DENY, MSP_REASON_LISTENER_LATE,
                   MSP_NO_IDENTITY));
}

/* Publishes it, if it may be. @return false: it is not published */
static __always_inline bool
flow_try(struct bpf_sock_ops *ops, struct bpf_sock *sk, struct msp_owner *owner)
{
    struct msp_handoff entry = {};
    struct msp_flow_key key;
    struct tcp_sock *tp;

    flow_key(ops, true, &key);
    if (!owner || !owner->has_mark) {
        /* fail closed: an entry of this tuple is somebody else's */
        flow_remove(&key);
        return false;
    }
    owner->has_mark = 0; /* one use only */
    entry.mark = owner->mark;
    tp = (struct tcp_sock *)bpf_skc_to_tcp_sock(sk);
    if (flow_is_old(owner->made_ns)) {
        /* fail closed: who connected then may not be who sends it now */
        event_stat(MSP_STAT_MARK_OLD);
        flow_remove(&key);
        flow_late(&entry.mark);
        return false;
    }
    /*
     * fail closed: without the ISN the entry could be taken by another; a
     * socket under repair sends no SYN, its entry would stay
     */
    if (tp && !BPF_CORE_READ_BITFIELD(tp, repair)) {
        entry.isn = tp->write_seq;
        entry.made_ns = owner->made_ns;
        entry.is_guarded = owner->guard == MSP_GUARD_WANTED;
        owner->isn = entry.isn;
        if (flow_insert(ops, &key, &entry)) {
            event_stat(MSP_STAT_MARK_PUBLISHED);
            return true;
        }
    }
    event_stat(MSP_STAT_MARK_PUBLISH_FAILED);
    return false;
}

/* The client is about to send its SYN to a listener port. */
static __noinline int flow_publish(struct bpf_sock_ops *ops)
{
    struct bpf_sock *sk = ops->sk;
    struct msp_owner *owner;

    if (!sk)
        return 0;
    owner = bpf_sk_storage_get(&msp_sk_owner, sk, NULL, 0);
    /* the proxy will see no mark: nothing to guard, nor to be told the end of */
    if (!flow_try(ops, sk, owner) && owner && owner->guard == MSP_GUARD_WANTED)
        owner->guard = MSP_GUARD_NONE;
    return 0;
}

/*
 * Whether this is accepted with data of the SYN, before the client's socket
 * could be put under the fd guard.
 */
static __always_inline bool flow_is_early(struct bpf_sock *sk)
{
    struct tcp_sock *tp = (struct tcp_sock *)bpf_skc_to_tcp_sock(sk);

    return !tp || tp->fastopen_rsk;
}

/* A connection was accepted on a listener port. */
static __noinline int flow_take(struct bpf_sock_ops *ops)
{
    struct bpf_sock *sk = ops->sk;
    struct msp_handoff *entry;
    struct msp_flow_key key;
    struct msp_mark *mark;

    if (!sk)
        return 0;
    flow_key(ops, false, &key);
    entry = bpf_map_lookup_elem(&msp_handoff, &key);
    if (!entry) {
        event_stat(MSP_STAT_MARK_MISSING);
        return 0;
    }
    /* fail closed: left by another connection of the same tuple */
    if (entry->isn != ops->rcv_nxt - 1) {
        event_stat(MSP_STAT_MARK_ISN_STALE);
        return 0;
    }
    if (flow_is_old(*(volatile __u64 *)&entry->made_ns)) {
        /* fail closed: who connected then may not be who is there now */
        event_stat(MSP_STAT_MARK_OLD);
        flow_late(&entry->mark);
        flow_remove(&key);
        return 0;
    }
    if (entry->is_guarded && flow_is_early(sk) &&
        target_is_enforced(entry->mark.addr, entry->mark.port)) {
        /* fail closed: nobody would watch who writes to it */
        event_stat(MSP_STAT_FD_UNGUARDED);
        flow_remove(&key);
        return 0;
    }
    mark = bpf_sk_storage_get(&msp_sk_verdict, sk, NULL,
                              BPF_SK_STORAGE_GET_F_CREATE);
    if (mark) {
        __u32 isn = ops->rcv_nxt - 1;

        *mark = entry->mark;
        /*
         * fail closed: had the entry gone meanwhile, with its client, its
         * memory could be another caller's. Still there under this key and
         * for this handshake, it was there all the time.
         */
        entry = bpf_map_lookup_elem(&msp_handoff, &key);
        if (entry && entry->isn == isn) {
            event_stat(MSP_STAT_MARK_MOVED);
        } else {
            bpf_sk_storage_delete(&msp_sk_verdict, sk);
            event_stat(MSP_STAT_MARK_MISSING);
            return 0;
        }
    } else {
        event_stat(MSP_STAT_MARK_MOVE_FAILED); /* fail closed: no mark */
    }
    flow_remove(&key);
    return 0;
}

/*
 * Whether the guard would not hold. Somebody waits in a write for the
 * connection to be made, past the guard: fast open's own one is its maker's. Or
 * the socket is the kernel's: SMC, for one, puts something of its own where the
 * kernel keeps that a socket is guarded, and is warned of it when it closes it.
 */
static __always_inline bool flow_is_unfit(struct bpf_sock *sk)
{
    struct tcp_sock *tp = (struct tcp_sock *)bpf_skc_to_tcp_sock(sk);
    int own = 0;

    if (!tp)
        return true; /* fail closed: cannot be told */
    if (tp->fastopen_req && tp->fastopen_req->data)
        own = 1;
    return ((struct sock *)tp)->sk_write_pending > own ||
           BPF_CORE_READ_BITFIELD((struct sock *)tp, sk_kern_sock);
}

/* Puts a socket under the guard. @return false: it cannot be */
static __always_inline bool flow_give(struct bpf_sock_ops *ops,
                                      struct bpf_sock *sk, __u64 payer)
{
    __u64 cookie = bpf_get_socket_cookie(ops);

    if (flow_is_unfit(sk) || !flow_count(payer, MSP_PENDING_SOCKS))
        return false;
    if (!bpf_sock_hash_update(ops, &msp_fd_socks, &cookie, BPF_NOEXIST))
        return true;
    /* full, or a socket of a kind that has no such guard: MPTCP */
    flow_uncount(payer, MSP_PENDING_SOCKS);
    return false;
}

/* Who waits for a listener sends one SYN more, and so waits twice as long. */
static __always_inline void flow_be_patient(struct bpf_sock_ops *ops,
                                            struct msp_owner *owner)
{
    int n = 0;

    if (owner->retries ||
        bpf_getsockopt(ops, SOL_TCP, TCP_SYNCNT, &n, sizeof(n)) || n <= 0)
        return;
    owner->retries = n++;
    /* at the most there can be it changes nothing */
    bpf_setsockopt(ops, SOL_TCP, TCP_SYNCNT, &n, sizeof(n));
}

/* It connects, or does not: the socket is as patient as it was. */
static __always_inline void flow_be_as_before(struct bpf_sock_ops *ops,
                                              struct msp_owner *owner)
{
    int n = owner->retries;

    if (!n)
        return;
    owner->retries = 0;
    bpf_setsockopt(ops, SOL_TCP, TCP_SYNCNT, &n, sizeof(n));
}

/* The listener has answered; our ACK is not on its way yet. */
static __noinline int flow_guard(struct bpf_sock_ops *ops)
{
    struct bpf_sock *sk = ops->sk;
    struct msp_owner *owner;
    struct msp_flow_key key;

    if (!sk)
        return 0;
    owner = bpf_sk_storage_get(&msp_sk_owner, sk, NULL, 0);
    if (!owner)
        return 0;
    flow_be_as_before(ops, owner);
    if (owner->guard != MSP_GUARD_WANTED)
        return 0;
    if (flow_give(ops, sk, owner->mark.payer)) {
        owner->guard = MSP_GUARD_HAS;
        return 0;
    }
    event_stat(MSP_STAT_FD_UNGUARDED);
    if (target_is_enforced(owner->mark.addr, owner->mark.port)) {
        /* fail closed: the proxy sees no mark */
        flow_key(ops, true, &key);
        flow_remove(&key);
    }
    return 0;
}

/* @return 1: the reply is set; 0: as if we were not there */
static __noinline int flow_timeout(struct bpf_sock_ops *ops)
{
    struct bpf_sock *sk = ops->sk;
    struct msp_owner *owner;
    struct msp_meta *meta;
    __u32 zero = 0;

    if (!sk)
        return 0;
    owner = bpf_sk_storage_get(&msp_sk_owner, sk, NULL, 0);
    if (!owner || !owner->is_parked)
        return 0;
    meta = bpf_map_lookup_elem(&msp_meta, &zero);
    if (!meta || !meta->park_ticks)
        return 0;
    flow_be_patient(ops, owner);
    ops->reply = meta->park_ticks;
    return 1;
}

/* A SYN was sent again, for a mark that is good for nothing any more? */
static __noinline int flow_again(struct bpf_sock_ops *ops)
{
    struct bpf_sock *sk = ops->sk;
    struct msp_handoff *entry;
    struct msp_owner *owner;
    struct msp_flow_key key;

    if (!sk || ops->state != TCP_SYN_SENT)
        return 0;
    owner = bpf_sk_storage_get(&msp_sk_owner, sk, NULL, 0);
    if (!owner || !flow_is_old(owner->made_ns))
        return 0;
    flow_key(ops, true, &key);
    entry = bpf_map_lookup_elem(&msp_handoff, &key);
    if (!entry || entry->isn != owner->isn)
        return 0;
    /* fail closed: as where it is taken */
    event_stat(MSP_STAT_MARK_OLD);
    flow_late(&entry->mark);
    flow_remove(&key);
    return 0;
}

/* A client socket is gone; so is what it published, if nobody took it. */
static __noinline int flow_drop(struct bpf_sock_ops *ops)
{
    struct bpf_sock *sk = ops->sk;
    struct msp_handoff *entry;
    struct msp_owner *owner;
    struct msp_flow_key key;

    if (!sk)
        return 0;
    owner = bpf_sk_storage_get(&msp_sk_owner, sk, NULL, 0);
    if (owner)
        flow_be_as_before(ops, owner);
    if (owner && owner->guard == MSP_GUARD_HAS) {
        owner->guard = MSP_GUARD_NONE;
        flow_uncount(owner->mark.payer, MSP_PENDING_SOCKS);
    }
    flow_key(ops, true, &key);
    entry = bpf_map_lookup_elem(&msp_handoff, &key);
    if (entry && owner && entry->isn == owner->isn) {
        if (owner->is_parked)
            flow_late(&entry->mark);
        flow_remove(&key);
    }
    return 0;
}

/* Accepted from an endpoint? @return 0 */
static __noinline int flow_inbound(struct bpf_sock_ops *ops)
{
    __u32 zero = 0, slot, index = 0, port;
    struct msp_endpoint *ep = NULL;
    struct bpf_sock *sk = ops->sk;
    struct msp_owner *owner;
    struct msp_meta *meta;
    __u8 addr[16];
    __u32 w[4];

    meta = bpf_map_lookup_elem(&msp_meta, &zero);
    if (!meta || !sk)
        return 0;
    slot = meta->live & (MSP_SLOTS - 1);
    port = bpf_ntohl(ops->remote_port);
    if (!target_has_port(slot, port))
        return 0;
    flow_remote(ops, w);
    __builtin_memcpy(addr, w, 16);
    if (target_endpoint(slot, addr, port, &index, &ep) != TARGET_ENDPOINT)
        return 0;
    owner = bpf_sk_storage_get(&msp_sk_owner, sk, NULL,
                               BPF_SK_STORAGE_GET_F_CREATE);
    if (!owner) {
        /* fail closed: the guard will drop its answers */
        event_stat(MSP_STAT_STORAGE_FAILED);
        return 0;
    }
    owner->kind = MSP_OWNER_INBOUND;
    owner->mark.endpoint = index;
    owner->mark.port = port;
    __builtin_memcpy(owner->mark.addr, addr, 16);
    return 0;
}

/*
 * Whether what is sent to 127.0.0.1 can come to a socket that listens. One that
 * is for IPv6 alone may do so at any address beside an agent that lives; it was
 * that before it was bound, and stays it as long as it is.
 */
static __always_inline bool flow_is_reached(struct bpf_sock_ops *ops,
                                            struct bpf_sock *sk)
{
    __u32 addr = *(volatile __u32 *)&ops->local_ip4, family = ops->family;
    struct tcp_sock *tp;

    /* one of IPv6 that has an address of its own shows another one here */
    if (addr && addr != bpf_htonl(0x7f000001))
        return false;
    if (family != AF_INET6 || !sk)
        return true;
    tp = (struct tcp_sock *)bpf_skc_to_tcp_sock(sk);
    /* fail closed: it cannot be told */
    return !tp ||
           !BPF_CORE_READ_BITFIELD((struct sock *)tp, __sk_common.skc_ipv6only);
}

/*
 * Somebody listens at a port of ours: he had bound it before, beside the agent
 * whose listener is gone. What comes here to 127.0.0.1 must not be led to him.
 * The kernel does not let two listen at one address, so no row of an agent
 * that lives goes by this; it would be made again by the next connect.
 * @return 0
 */
static __noinline int flow_listen(struct bpf_sock_ops *ops)
{
    struct bpf_sock *sk = ops->sk;
    struct msp_netns *ns;
    __u32 *own = NULL;
    __u64 cookie;

    if (!flow_is_reached(ops, sk))
        return 0;
    if (sk)
        own = bpf_sk_storage_get(&msp_own_sk, sk, NULL, 0);
    if (own && *own == MSP_OWN_LISTENER)
        return 0;
    cookie = bpf_get_netns_cookie(ops);
    ns = bpf_map_lookup_elem(&msp_netns, &cookie);
    if (!ns || *(volatile __u16 *)&ns->port != ops->local_port)
        return 0;
    /* fail closed: there is no listener of ours, whatever the row says */
    if (!bpf_map_delete_elem(&msp_netns, &cookie))
        event_stat(MSP_STAT_LISTENER_FOREIGN);
    return 0;
}

SEC("sockops")

int msp_sockops(struct bpf_sock_ops *ops)
{
    switch (ops->op) {
    case BPF_SOCK_OPS_TCP_CONNECT_CB:
        if (target_is_listener_port(bpf_ntohl(ops->remote_port)) &&
            flow_is_v4(ops))
            return flow_publish(ops);
        return 0;
    case BPF_SOCK_OPS_TIMEOUT_INIT:
        if (target_is_listener_port(bpf_ntohl(ops->remote_port)))
            return flow_timeout(ops);
        return 0;
    case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
        if (target_is_listener_port(bpf_ntohl(ops->remote_port)) &&
            flow_is_v4(ops))
            return flow_guard(ops);
        return 0;
    case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
        /* other servers may have a port of that range, on other addresses */
        if (target_is_listener_port(ops->local_port) &&
            ops->local_ip4 == bpf_htonl(0x7f000001) && flow_is_v4(ops))
            return flow_take(ops);
        return flow_inbound(ops);
    case BPF_SOCK_OPS_TCP_LISTEN_CB:
        if (target_is_listener_port(ops->local_port))
            return flow_listen(ops);
        return 0;
    case BPF_SOCK_OPS_RETRANS_CB:
        if (target_is_listener_port(bpf_ntohl(ops->remote_port)) &&
            flow_is_v4(ops))
            return flow_again(ops);
        return 0;
    case BPF_SOCK_OPS_STATE_CB:
        if (ops->args[1] == TCP_CLOSE &&
            target_is_listener_port(bpf_ntohl(ops->remote_port)) &&
            flow_is_v4(ops))
            return flow_drop(ops);
        return 0;
    default:
        return 0;
    }
}
