/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * cgroup/connect4 and connect6: the verdict. Every TCP connect of the host
 * passes here, so the part before an endpoint is found is a handful of
 * compares and look-ups that the JIT inlines. Addresses are 16 bytes from the
 * first line on: a v4-mapped address is the IPv4 one, whatever the socket.
 */
#include <msp/decide.h>

#include "lib/container.bpf.h"
#include "lib/datagram.bpf.h"
#include "lib/event.bpf.h"
#include "lib/maps.bpf.h"
#include "lib/park.bpf.h"
#include "lib/payer.bpf.h"
#include "lib/rate.bpf.h"
#include "lib/subject.bpf.h"
#include "lib/target.bpf.h"

#define ECONNREFUSED    111
#define MSP_LOOPBACK_BE bpf_htonl(0x7f000001)

enum connect_result {
    CONNECT_DENY = 0,
    CONNECT_PASS = 1,
    CONNECT_REDIRECT = 2, /* to attempt.to_port; for the shells only */
};

/* A decision in one word: verdict, reason << 8, and these */
#define SETTLE_PORT_SHIFT 16
#define SETTLE_PORT_MASK  (0xffffull << SETTLE_PORT_SHIFT)
#define SETTLE_PARK_SHIFT 32 /* out: 1, the SYN is to wait */

static __always_inline __u64 settle_pack(struct msp_decision d, __u32 port)
{
    return d.verdict | d.reason << 8 | (__u64)port << SETTLE_PORT_SHIFT;
}

static __always_inline struct msp_decision settle_decision(__u64 packed)
{
    return msp_decided(packed & 0xff, packed >> 8 & 0xff);
}

/* What one connect is about; lives on the stack of the slow path. */
struct attempt {
    struct bpf_sock_addr *ctx;
    struct bpf_sock *sk;
    const struct msp_meta *meta;
    __u64 generation;
    __u64 now_ns;            /* when it was judged; CLOCK_MONOTONIC */
    struct msp_endpoint *ep; /* its row, once it is found, */
    __u32 endpoint;          /* and its index */
    __u32 slot;
    __u8 addr[16];
    __u16 port;
    __u16 to_port;   /* with CONNECT_REDIRECT */
    bool is_scratch; /* the mark is not the socket's yet */
    __u8 is_parked;  /* its SYN is to wait for the listener */
    bool reaches;    /* the caller has some right here */
};

/* Forgets what an earlier connect left on this socket. */
static __always_inline void connect_forget(struct bpf_sock *sk)
{
    if (bpf_sk_storage_get(&msp_sk_owner, sk, NULL, 0))
        bpf_sk_storage_delete(&msp_sk_owner, sk);
}

/*
 * Lets a connection out that is no endpoint's business.
 * @return as the hook
 */
static __always_inline int connect_pass(const struct attempt *a)
{
    const struct msp_slot_meta *sm = &a->meta->slot[a->slot & (MSP_SLOTS - 1)];

    /* fail closed: the tables that said so were being refilled */
    return *(const volatile __u64 *)&sm->generation == a->generation
               ? CONNECT_PASS
               : CONNECT_DENY;
}

/* Finds the endpoint of the target. @return enum target_found */
static __noinline int connect_lookup(struct attempt *a)
{
    return target_endpoint(a->slot, a->addr, a->port, &a->endpoint, &a->ep);
}

static __noinline void connect_refusal(const struct attempt *a,
                                       enum msp_reason reason, __u32 endpoint)
{
    struct msp_refusal r = {
        .generation = a->generation,
        .netns_cookie = bpf_get_netns_cookie(a->ctx),
        .slot = a->slot,
        .endpoint = endpoint,
        .reason = reason,
        .port = a->port,
    };

    __builtin_memcpy(r.addr, a->addr, 16);
    event_refusal(&r);
}

/* The agent's own listener is reached by redirection only. */
static __noinline int connect_listener(struct attempt *a)
{
    __u64 cookie = bpf_get_netns_cookie(a->ctx);
    struct msp_netns *ns = bpf_map_lookup_elem(&msp_netns, &cookie);

    if (!ns || ns->port != a->port)
        return CONNECT_PASS;
    /*
     * fail closed: nobody may bring a mark here by himself. One of its own a
     * socket has only if a listener accepted it.
     */
    bpf_sk_storage_delete(&msp_sk_owner, a->sk);
    bpf_sk_storage_delete(&msp_sk_verdict, a->sk);
    connect_refusal(a, MSP_REASON_LISTENER_DIRECT, MSP_EP_NONE);
    return CONNECT_DENY;
}

/*
 * A process of the agent: only sockets it marked as upstream may connect, and
 * those only to endpoints.
 */
static __noinline int connect_service(struct attempt *a)
{
    __u32 *own = bpf_sk_storage_get(&msp_own_sk, a->sk, NULL, 0);

    if (!own || *own != MSP_OWN_UPSTREAM) {
        if (subject_in_container(bpf_get_current_task_btf(), a->meta))
            return -1; /* only the uid is the same */
        /* fail closed: not a socket the agent made for this */
        connect_refusal(a, MSP_REASON_SERVICE_UID, MSP_EP_NONE);
        return CONNECT_DENY;
    }
    /* the agent's own: only a holder of the map can set this */
    if (connect_lookup(a) == TARGET_ENDPOINT)
        return connect_pass(a);
    connect_refusal(a, MSP_REASON_UPSTREAM_ONLY, MSP_EP_NONE);
    return CONNECT_DENY;
}

/*
 * Notes on the socket whose connection this is, and gives it the mark if it is
 * to be redirected; a direct one needs none.
 * @return 0; -1 nothing was left
 */
static __noinline int connect_own(struct attempt *a, struct msp_mark *mark,
                                  __u32 kind)
{
    struct msp_owner *o = bpf_sk_storage_get(&msp_sk_owner, a->sk, NULL,
                                             BPF_SK_STORAGE_GET_F_CREATE);

    if (!o) {
        event_stat(MSP_STAT_STORAGE_FAILED);
        return -1;
    }
    if (a->is_scratch) /* else it was built there */
        o->mark = *mark;
    o->kind = kind;
    o->guard = MSP_GUARD_NONE;
    o->is_parked = a->is_parked;
    o->has_mark = 0;
    o->isn = 0;
    o->retries = 0;
    o->made_ns = a->now_ns;
    if (kind != MSP_OWNER_REDIRECT)
        return 0;
    if (a->meta->flags & MSP_META_FD_GUARD) {
        if (container_fill(&o->container)) {
            /* fail closed: nobody could be told from its owner */
            if (a->is_scratch) /* else connect_disown() does: it has the mark */
                bpf_sk_storage_delete(&msp_sk_owner, a->sk);
            return -1;
        }
        o->guard = MSP_GUARD_WANTED;
    }
    o->has_mark = 1;
    return 0;
}

/* Record and counter of a decision; a ring record unless it was allowed. */
static __always_inline void connect_record(const struct attempt *a,
                                           const struct msp_mark *mark,
                                           const struct msp_endpoint *ep,
                                           struct msp_decision d)
{
    /* the lowest identity of the caller with any right here */
    __u32 identity =
        a->reaches ? msp_idset_first(&mark->ids, &ep->reach) : MSP_NO_IDENTITY;

    msp_event_connect(mark, a->generation, a->now_ns,
                      event_pack(a->slot, d.verdict, d.reason, identity));
}

/*
 * Port of the agent's listener in a network namespace; 0 = none. Global, so
 * that it is verified once and by itself.
 */
__noinline __u32 msp_listener_port(__u64 cookie)
{
    struct msp_netns *ns = bpf_map_lookup_elem(&msp_netns, &cookie);
    __u32 port;

    if (!ns)
        return 0;
    port = *(volatile __u32 *)&ns->state == MSP_NETNS_READY
               ? *(volatile __u16 *)&ns->port
               : 0;
    /* fail closed: a row that went meanwhile may be another namespace's */
    return bpf_map_lookup_elem(&msp_netns, &cookie) == ns ? port : 0;
}

/* Whether a listener matters: not to who has no right, unless told by HTTP. */
static __always_inline bool
connect_wants_listener(const struct msp_endpoint *ep,
                       const struct msp_connect_facts *f)
{
    return f->reaches || ep->on_deny == MSP_ON_DENY_HTTP ||
           f->mode != MSP_MODE_ENFORCE || f->ep_flags & MSP_EP_DEFAULT_ALLOW ||
           f->slot_flags & MSP_SLOT_BOOTSTRAP;
}

static __always_inline struct msp_decision
connect_decide(struct attempt *a, struct msp_mark *mark,
               struct msp_endpoint *ep, __u32 slot_flags, __u32 *ret_port)
{
    /* the beat before the clock: one in between must not look like the past */
    __u64 beat = *(const volatile __u64 *)&a->meta->heartbeat_ns;
    struct msp_connect_facts f = {};

    a->now_ns = bpf_ktime_get_ns();
    mark->netns_cookie = bpf_get_netns_cookie(a->ctx);
    f.is_bound = a->sk->bound_dev_if != 0;
    f.is_agent_fresh = a->now_ns - beat < MSP_HEARTBEAT_STALE_NS;
    f.has_identity = subject_fill(mark, a->meta, &a->slot, slot_flags);
    f.mode = ep->mode;
    f.ep_flags = ep->flags;
    f.slot_flags = slot_flags;
    f.is_root = mark->flags & MSP_MARK_ROOT;
    f.mark_flags = mark->flags;
    f.reaches = msp_idset_meets(&mark->ids, &ep->reach);
    f.lifts = f.ep_flags & MSP_EP_ROOT_GATE &&
              msp_idset_meets(&mark->ids, &ep->lifts_root_gate);
    a->reaches = f.reaches;
    if (connect_wants_listener(ep, &f))
        *ret_port = msp_listener_port(mark->netns_cookie);
    f.has_listener = *ret_port != 0;
    return msp_decide_connect(&f);
}

/* Whether mspd has given a sign of life. */
static __always_inline bool connect_is_agent_fresh(void)
{
    __u32 zero = 0;
    struct msp_meta *meta = bpf_map_lookup_elem(&msp_meta, &zero);
    __u64 beat;

    if (!meta)
        return false;
    /* the beat before the clock: one in between must not look like the past */
    beat = *(volatile __u64 *)&meta->heartbeat_ns;
    return bpf_ktime_get_ns() - beat < MSP_HEARTBEAT_STALE_NS;
}

/*
 * Where all that lacks is a listener, mspd is asked for one. In enforce the SYN
 * waits for it; in audit this connect goes out as it is, and a later one is
 * redirected. Global, since what it returns is one case to the verifier, not
 * one for each reason.
 * @param packed a decision and what goes with it; @return the same
 * @param payer whom the wait is charged to
 */
__noinline __u64 msp_settle(struct bpf_sock_addr *ctx, __u64 packed,
                            __u32 slot_flags, __u64 payer)
{
    struct msp_decision d = settle_decision(packed);
    __u32 found;

    if (packed & SETTLE_PORT_MASK || !msp_decision_lacks_listener(d) ||
        !connect_is_agent_fresh())
        return packed;
    found = msp_park_ask(ctx, payer);
    if (!found) {
        event_stat(MSP_STAT_PARK_REFUSED);
        return packed;
    }
    if (d.verdict == MSP_VERDICT_DIRECT)
        return packed;
    d = msp_decide_redirect(slot_flags);
    return settle_pack(d, found & 0xffff) | (__u64) !!(found & PARK_NEW)
                                                << SETTLE_PARK_SHIFT;
}

/*
 * Whether an allowed caller has no token left, so that his request would be
 * refused. Not asked where that is to be told by HTTP, or not to be refused.
 */
static __always_inline bool connect_is_limited(const struct msp_endpoint *ep,
                                               const struct msp_mark *mark)
{
    if (!rate_is_set(ep) || ep->mode != MSP_MODE_ENFORCE ||
        ep->on_deny == MSP_ON_DENY_HTTP || !mark->payer)
        return false;
    if (!msp_rate_is_empty(rate_bucket(mark->payer, ep), ep->rate.per_second,
                           ep->rate.burst))
        return false;
    event_stat(MSP_STAT_RATE_LIMITED);
    return true;
}

/* The socket keeps nothing of this connect. */
static __always_inline void connect_disown(struct attempt *a)
{
    if (!a->is_scratch)
        bpf_sk_storage_delete(&msp_sk_owner, a->sk);
}

/*
 * Carries out a denial; the mark is gone or empty afterwards.
 * @return as the hook
 */
static __always_inline int connect_deny(struct attempt *a,
                                        struct msp_mark *mark,
                                        struct msp_endpoint *ep, __u32 port)
{
    /* one bound to a device would never get there */
    if (ep->on_deny == MSP_ON_DENY_HTTP && port && !a->sk->bound_dev_if) {
        mark->payer = payer_of(mark);
        subject_clear(&mark->ids);
        mark->flags |= MSP_MARK_EMPTY;
        mark->flags &= ~(MSP_MARK_ROOT | MSP_MARK_BOOTSTRAP);
        if (!connect_own(a, mark, MSP_OWNER_REDIRECT)) {
            a->to_port = port;
            return CONNECT_REDIRECT; /* to the proxy, which says 403 */
        }
    }
    connect_disown(a);
    if (ep->on_deny == MSP_ON_DENY_REFUSE || ep->on_deny == MSP_ON_DENY_HTTP)
        bpf_set_retval(-ECONNREFUSED);
    return CONNECT_DENY;
}

/*
 * The same number. To the verifier one case, not one for each decision: what
 * it has from a map it does not know.
 */
static __always_inline __u64 connect_any_of(struct msp_mark *mark, __u64 packed)
{
    volatile __u64 *word = &mark->payer; /* which nobody has set yet */

    *word = packed;
    packed = *word;
    *word = 0;
    return packed;
}

static __always_inline int
connect_judge(struct attempt *a, struct msp_endpoint *ep, struct msp_mark *mark)
{
    const struct msp_slot_meta *sm = &a->meta->slot[a->slot & (MSP_SLOTS - 1)];
    __u32 slot_flags = sm->flags, port = 0;
    struct msp_decision d;
    __u64 packed;

    __builtin_memset(mark, 0, sizeof(*mark));
    mark->endpoint = a->endpoint;
    mark->identity_epoch = sm->identity_epoch;
    mark->port = a->port;
    __builtin_memcpy(mark->addr, a->addr, 16);
    d = connect_decide(a, mark, ep, slot_flags, &port);
    /* fail closed: the slot was refilled while we looked */
    if (*(const volatile __u64 *)&sm->generation != a->generation) {
        event_stat(MSP_STAT_GENERATION_MOVED);
        d = msp_decided(MSP_VERDICT_DENY, MSP_REASON_STALE_POLICY);
    }
    packed = connect_any_of(mark, settle_pack(d, port));
    d = settle_decision(packed);
    /* who is denied takes nothing, and is not asked who pays */
    if (d.verdict == MSP_VERDICT_ALLOW || msp_decision_lacks_listener(d)) {
        mark->payer = payer_of(mark);
        packed = msp_settle(a->ctx, packed, slot_flags, mark->payer);
    }
    d = settle_decision(packed);
    port = packed >> SETTLE_PORT_SHIFT & 0xffff;
    a->is_parked = packed >> SETTLE_PARK_SHIFT;
    if (d.reason == MSP_REASON_BOOTSTRAP)
        mark->flags |= MSP_MARK_BOOTSTRAP;
    if (d.verdict == MSP_VERDICT_ALLOW && connect_is_limited(ep, mark))
        d = msp_decided(MSP_VERDICT_DENY, MSP_REASON_RATE_LIMITED);
    /* fail closed: without an owner the mark could outlive its connect */
    if (d.verdict == MSP_VERDICT_ALLOW &&
        connect_own(a, mark, MSP_OWNER_REDIRECT))
        d = msp_decided(MSP_VERDICT_DENY, MSP_REASON_HELPER_FAILED);
    connect_record(a, mark, ep, d);
    switch (d.verdict) {
    case MSP_VERDICT_ALLOW:
        a->to_port = port;
        return CONNECT_REDIRECT;
    case MSP_VERDICT_DIRECT:
        /*
         * A leave of the egress guard only where somebody was judged: what
         * audit let out ends when the endpoint is enforced. Failing to note
         * it takes no more than the leave away.
         */
        if (ep->mode == MSP_MODE_ENFORCE)
            (void)connect_own(a, mark, MSP_OWNER_DIRECT);
        else
            connect_disown(a);
        return CONNECT_PASS;
    default:
        return connect_deny(a, mark, ep, port);
    }
}

/* @return one that is ours until core_give_back(); NULL all are in use */
static __always_inline struct msp_scratch *connect_borrow(void)
{
    __u32 cpu = bpf_get_smp_processor_id();
    struct msp_scratch *scratch;

    for (__u32 i = 0; i < MSP_SCRATCH_TRIES; i++) {
        __u32 index = (cpu + i * MSP_SCRATCH_STEP) % MSP_SCRATCHES;

        scratch = bpf_map_lookup_elem(&msp_scratch, &index);
        if (scratch && !__sync_val_compare_and_swap(&scratch->busy, 0, 1))
            return scratch;
    }
    return NULL;
}

/*
 * The target is an endpoint: classify, decide, mark. The mark is built in
 * scratch memory that nobody else has meanwhile: 200 bytes of stack are too
 * many on 6.1, and connect may be preempted, so what a CPU has is not its own.
 * To make a socket's storage for a caller who is denied would cost as much as
 * the verdict; it is for the allowed, and where no scratch is free.
 * @return as the hook; -1 no memory for a mark
 */
static __noinline int connect_endpoint(struct attempt *a,
                                       struct msp_endpoint *ep)
{
    struct msp_scratch *scratch = connect_borrow();
    struct msp_owner *owner;
    int r;

    if (scratch) {
        a->is_scratch = true;
        r = connect_judge(a, ep, &scratch->mark);
        core_give_back(&scratch->busy);
        return r;
    }
    owner = bpf_sk_storage_get(&msp_sk_owner, a->sk, NULL,
                               BPF_SK_STORAGE_GET_F_CREATE);
    if (!owner)
        return -1;
    a->is_scratch = false;
    return connect_judge(a, ep, &owner->mark);
}

static __always_inline bool connect_is_service_uid(const struct msp_meta *meta,
                                                   __u32 uid)
{
    return uid && (uid == meta->proxy_uid || uid == meta->keeper_uid);
}

static __always_inline bool connect_is_service(const struct msp_meta *meta)
{
    /* a load: the helper, which maps ids, takes longer than all the rest */
    return connect_is_service_uid(meta,
                                  bpf_get_current_task_btf()->cred->uid.val);
}

/*
 * Whether a socket carries nothing of ours and was not made by the agent,
 * whose sockets are its users'; without a call. What the agent was handed by
 * mspd-netns, the listeners, carries its mark.
 */
static __always_inline bool connect_is_plain(struct bpf_sock_addr *ctx,
                                             const struct msp_meta *meta)
{
    struct bpf_sock_addr_kern *kern;
    struct sock *sk;

    if (!core_has_cast())
        return false; /* before 6.2 */
    kern = bpf_cast_to_kern_ctx(ctx);
    sk = kern->sk;
    return !sk->sk_bpf_storage && !connect_is_service_uid(meta, sk->sk_uid.val);
}

/*
 * Whether no endpoint of the slot can be there: by the few addresses that all
 * of them have, else by the port.
 * @param addr4_be 0: an IPv6 address that is no mapped one
 */
static __always_inline bool connect_is_elsewhere(const struct msp_slot_meta *sm,
                                                 __u32 slot, __u32 addr4_be,
                                                 __u32 port)
{
    if (!(sm->flags & MSP_SLOT_FEW))
        return !target_has_port(slot, port);
    for (int i = 0; i < MSP_FEW; i++)
        if (addr4_be && addr4_be == sm->few_be[i])
            return false;
    return true;
}

/*
 * Whether a connection is plainly nobody's business. This is all that other
 * TCP connects of the host run: no call, and registers only.
 */
static __always_inline bool connect_is_other(struct bpf_sock_addr *ctx,
                                             __u32 addr4_be, __u32 port)
{
    const struct msp_slot_meta *sm;
    struct msp_meta *meta;
    __u32 zero = 0, slot;
    __u64 generation;

    meta = bpf_map_lookup_elem(&msp_meta, &zero);
    if (!meta)
        return false;
    slot = meta->live & (MSP_SLOTS - 1);
    sm = &meta->slot[slot];
    generation = *(volatile const __u64 *)&sm->generation;
    return generation && !target_is_listener_port(port) &&
           connect_is_elsewhere(sm, slot, addr4_be, port) &&
           connect_is_plain(ctx, meta) &&
           *(const volatile __u64 *)&sm->generation == generation;
}

/* The hook, for a target whose address and port are in `a`. */
static __always_inline int connect_any(struct attempt *a)
{
    __u32 zero = 0;
    int r;

    a->meta = bpf_map_lookup_elem(&msp_meta, &zero);
    if (!a->sk || !a->meta)
        return CONNECT_DENY; /* fail closed: cannot happen */
    a->slot = a->meta->live & (MSP_SLOTS - 1);
    a->generation = *(volatile const __u64 *)&a->meta->slot[a->slot].generation;
    connect_forget(a->sk);
    if (connect_is_service(a->meta)) {
        r = connect_service(a);
        if (r >= 0)
            return r;
    }
    if (target_is_listener_port(a->port) && target_is_loopback(a->addr))
        return connect_listener(a);
    if (!a->generation) {
        /* fail closed: no policy in force, the known addresses are shut */
        return target_is_builtin(a->addr, a->port) ? CONNECT_DENY
                                                   : CONNECT_PASS;
    }
    if (!target_has_port(a->slot, a->port))
        return connect_pass(a);
    r = connect_lookup(a);
    if (r == TARGET_NONE)
        return connect_pass(a);
    if (r != TARGET_ENDPOINT || !a->ep) {
        /* fail closed: cannot tell whose address this is */
        connect_refusal(a, MSP_REASON_TABLE_MISSING, MSP_EP_NONE);
        return CONNECT_DENY;
    }
    if (a->ep->mode == MSP_MODE_DISABLED)
        return connect_pass(a);
    r = connect_endpoint(a, a->ep);
    if (r >= 0)
        return r;
    /*
     * fail closed: a connection without a mark would be closed anyway. Said
     * here, since one more frame is too many for 6.1.
     */
    event_stat(MSP_STAT_STORAGE_FAILED);
    connect_refusal(a, MSP_REASON_HELPER_FAILED, a->endpoint);
    return CONNECT_DENY;
}

/* A datagram socket that connects sends without asking again. */
static __noinline int connect_datagram4(struct bpf_sock_addr *ctx)
{
    struct datagram d = {.ctx = ctx, .port = bpf_ntohs(ctx->user_port)};

    target_map_v4(d.addr, ctx->user_ip4);
    return datagram_judge(&d);
}

/* The context takes one word at a time, at offsets that clang knows. */
static __always_inline void connect_addr6(struct bpf_sock_addr *ctx,
                                          __u8 addr[16])
{
    __u32 *word = (__u32 *)addr;

    word[0] = *(volatile __u32 *)&ctx->user_ip6[0];
    word[1] = *(volatile __u32 *)&ctx->user_ip6[1];
    word[2] = *(volatile __u32 *)&ctx->user_ip6[2];
    word[3] = *(volatile __u32 *)&ctx->user_ip6[3];
}

/* @return the IPv4 address that is meant, network byte order; 0 none */
static __always_inline __u32 connect_mapped4(struct bpf_sock_addr *ctx)
{
    if (*(volatile __u32 *)&ctx->user_ip6[0] ||
        *(volatile __u32 *)&ctx->user_ip6[1] ||
        *(volatile __u32 *)&ctx->user_ip6[2] != MAPPED_WORD)
        return 0;
    return *(volatile __u32 *)&ctx->user_ip6[3];
}

static __noinline int connect_datagram6(struct bpf_sock_addr *ctx)
{
    struct datagram d = {.ctx = ctx, .port = bpf_ntohs(ctx->user_port)};

    connect_addr6(ctx, d.addr);
    return datagram_judge(&d);
}

SEC("cgroup/connect4")

int msp_connect4(struct bpf_sock_addr *ctx)
{
    struct attempt a;
    int r;

    if (ctx->protocol == PROTO_UDP)
        return connect_datagram4(ctx);
    if (ctx->type != MSP_SOCK_STREAM)
        return CONNECT_PASS;
    if (connect_is_other(ctx, ctx->user_ip4, bpf_ntohs(ctx->user_port)))
        return CONNECT_PASS;
    a = (struct attempt){.ctx = ctx};
    a.sk = ctx->sk;
    a.port = bpf_ntohs(ctx->user_port);
    target_map_v4(a.addr, ctx->user_ip4);
    r = connect_any(&a);
    if (r != CONNECT_REDIRECT)
        return r;
    ctx->user_ip4 = MSP_LOOPBACK_BE;
    ctx->user_port = bpf_htons(a.to_port);
    return CONNECT_PASS;
}

/*
 * Redirected to the IPv4 listener by its mapped address, from native IPv6
 * too. A socket that is IPv6 only cannot go there and fails: closed.
 */
SEC("cgroup/connect6")

int msp_connect6(struct bpf_sock_addr *ctx)
{
    struct attempt a;
    int r;

    if (ctx->protocol == PROTO_UDP)
        return connect_datagram6(ctx);
    if (ctx->type != MSP_SOCK_STREAM)
        return CONNECT_PASS;
    if (connect_is_other(ctx, connect_mapped4(ctx), bpf_ntohs(ctx->user_port)))
        return CONNECT_PASS;
    a = (struct attempt){.ctx = ctx};
    a.sk = ctx->sk;
    a.port = bpf_ntohs(ctx->user_port);
    connect_addr6(ctx, a.addr);
    r = connect_any(&a);
    if (r != CONNECT_REDIRECT)
        return r;
    ctx->user_ip6[0] = 0;
    ctx->user_ip6[1] = 0;
    ctx->user_ip6[2] = MAPPED_WORD;
    ctx->user_ip6[3] = MSP_LOOPBACK_BE;
    ctx->user_port = bpf_htons(a.to_port);
    return CONNECT_PASS;
}
