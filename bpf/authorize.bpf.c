/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * syscall: the verdict on one request, with its audit record and counter in
 * the same step. The worker puts the request in its page of msp_requests and
 * runs this by BPF_PROG_RUN with the page's number.
 *
 * Sleepable and preemptible: no per-CPU scratch, everything lives in the page
 * or on the stack, and every table but the page is an inner map that is
 * frozen. The page belongs to the worker, who can only mislead itself: it
 * holds the signing path anyway, the boundary is the verdict at connect.
 */
#include <msp/decide.h>

#include "lib/event.bpf.h"
#include "lib/maps.bpf.h"
#include "lib/rate.bpf.h"
#include "lib/registered.bpf.h"

/* The page's header, read once; later changes of the page do not count. */
struct header {
    __u32 endpoint;
    __u32 path_len;
    __u32 n_pairs;
    __u32 method;
    __u32 refusal;
    __u32 mark_flags;
    struct msp_rate_limit limit; /* of the endpoint, out */
    __u64 bucket;                /* of payer 0, if there is a limit; out */
};

/* State of the walk over one node's rows. */
struct walk {
    struct msp_request *rq;
    void *conds;
    void *sets;
    __u32 first;
    __u32 method;
    __u32 matched;
    __u32 identity;
    __u32 privilege;
    __u32 pad;
};

/* One row of the node; a non-zero return ends the walk. */
static long authorize_row(__u32 i, struct walk *w)
{
    __u32 index = w->first + i;
    struct msp_cond *cond = bpf_map_lookup_elem(w->conds, &index);
    struct msp_idset *set;
    __u32 set_index;

    if (!cond)
        return 1; /* fail closed: the row must exist */
    if (!msp_cond_holds(cond, w->rq->pair_bits, w->method))
        return 0;
    w->matched = 1;
    set_index = cond->set;
    set = bpf_map_lookup_elem(w->sets, &set_index);
    if (!set)
        return 1; /* fail closed: as above */
    w->identity = msp_idset_first(set, &w->rq->mark.ids);
    if (w->identity == MSP_NO_IDENTITY)
        return 0;
    w->privilege = cond->privilege;
    return 1;
}

/* Marks the request's pairs that the policy knows. @return 0; -1 no table */
static __noinline int authorize_pairs(struct msp_request *rq, __u32 slot,
                                      __u32 n, __u32 endpoint)
{
    void *pairs = bpf_map_lookup_elem(&msp_pairs, &slot);
    struct msp_pair_ref *ref;

    __builtin_memset(rq->pair_bits, 0, sizeof(rq->pair_bits));
    if (!pairs)
        return -1;
    for (__u32 i = 0; i < MSP_REQ_PAIRS_MAX; i++) {
        if (i >= n)
            break;
        rq->pair[i].endpoint = endpoint;
        ref = bpf_map_lookup_elem(pairs, &rq->pair[i]);
        if (ref)
            rq->pair_bits[(ref->id / 64) & (MSP_PAIRS_MAX / 64 - 1)] |=
                1ull << (ref->id % 64);
    }
    return 0;
}

/*
 * Which privileges cover the request and whether one is the caller's.
 * @return 0; -1 a table is missing
 */
static __noinline int authorize_match(struct msp_request *rq, struct header *h,
                                      struct walk *w, __u32 slot)
{
    void *paths = bpf_map_lookup_elem(&msp_paths, &slot);
    struct msp_path_node *node;
    __u32 n_conds, n_grants;

    w->rq = rq;
    w->conds = bpf_map_lookup_elem(&msp_conds, &slot);
    w->sets = bpf_map_lookup_elem(&msp_sets, &slot);
    w->method = h->method;
    w->matched = 0;
    w->identity = MSP_NO_IDENTITY;
    w->privilege = MSP_NO_IDENTITY;
    if (!paths || !w->conds || !w->sets)
        return -1;
    if (authorize_pairs(rq, slot, h->n_pairs, h->endpoint))
        return -1;
    rq->path.prefixlen = MSP_PATH_KEY_FIXED_BITS + 8 * h->path_len;
    rq->path.endpoint = h->endpoint;
    node = bpf_map_lookup_elem(paths, &rq->path);
    if (!node)
        return 0; /* no privilege covers it: the default decides */
    n_conds = node->n_conds;
    n_grants = node->n_grants;
    /* unconditional ones first: they are the common case */
    w->first = node->first_cond + n_conds;
    bpf_loop(n_grants, authorize_row, w, 0);
    if (w->identity == MSP_NO_IDENTITY) {
        w->first = node->first_cond;
        bpf_loop(n_conds, authorize_row, w, 0);
    }
    return 0;
}

static __always_inline bool authorize_header(const struct msp_request *rq,
                                             struct header *h)
{
    h->endpoint = rq->mark.endpoint;
    h->mark_flags = rq->mark.flags;
    h->path_len = *(volatile const __u32 *)&rq->path_len;
    h->n_pairs = *(volatile const __u32 *)&rq->n_pairs;
    h->method = *(volatile const __u32 *)&rq->method;
    h->refusal = *(volatile const __u32 *)&rq->refusal;
    if (h->n_pairs > MSP_REQ_PAIRS_MAX)
        return false;
    /* a refused spelling has no canonical path to look at */
    if (h->refusal != MSP_REFUSAL_NONE)
        return true;
    return h->path_len >= 2 && h->path_len <= MSP_PATH_KEY_BYTES;
}

/* Everything between the header and the verdict. */
static __always_inline struct msp_decision
authorize_decide(struct msp_request *rq, struct header *h, struct walk *w,
                 const struct msp_slot_meta *sm, __u32 slot)
{
    struct msp_request_facts f = {};
    struct msp_endpoint *ep = NULL;
    void *eps = bpf_map_lookup_elem(&msp_eps, &slot);

    if (eps)
        ep = bpf_map_lookup_elem(eps, &h->endpoint);
    if (!ep)
        /* fail closed: the endpoint must exist */
        return msp_decided(MSP_VERDICT_DENY, MSP_REASON_TABLE_MISSING);
    rq->mode = ep->mode;
    rq->endpoint_flags = ep->flags;
    h->limit = ep->rate;
    if (rate_is_set(ep))
        h->bucket = rate_bucket(0, ep);
    __builtin_memcpy(rq->endpoint, ep->name, MSP_ENDPOINT_NAME_BYTES);
    if (rq->mark.identity_epoch != sm->identity_epoch)
        return msp_decided(MSP_VERDICT_STALE, MSP_REASON_STALE_IDENTITY);
    if (h->refusal == MSP_REFUSAL_NONE && authorize_match(rq, h, w, slot))
        return msp_decided(MSP_VERDICT_DENY, MSP_REASON_TABLE_MISSING);
    f.mode = ep->mode;
    f.ep_flags = ep->flags;
    f.slot_flags = sm->flags;
    f.mark_flags = h->mark_flags;
    f.refusal = h->refusal;
    f.lifts = msp_idset_meets(&rq->mark.ids, &ep->lifts_root_gate);
    f.matched = w->matched;
    f.granted = w->identity != MSP_NO_IDENTITY;
    return msp_decide_request(&f);
}

/*
 * Who pays for a request: as at connect, unless his cgroup is a registered
 * container's by now. Its connections of before and after are one payer's.
 */
static __always_inline __u64 authorize_payer(const struct msp_mark *mark)
{
    __u64 top = registered_top(mark->cgroup_id);

    return top ? msp_payer_of(MSP_PAYER_CONTAINER, top) : mark->payer;
}

/*
 * Takes a token for a request, whether it is allowed or refused: to refuse it
 * costs the agent as much. One that is refused for another reason keeps that;
 * without a token it waits as well, see retry_after_s.
 */
static __always_inline struct msp_decision
authorize_charge(struct msp_request *rq, const struct header *h,
                 struct msp_decision d)
{
    bool is_audit = rq->mode == MSP_MODE_AUDIT;
    __u64 payer, wait_ns;

    if ((d.verdict != MSP_VERDICT_ALLOW && d.verdict != MSP_VERDICT_DENY) ||
        !h->limit.per_second || *(volatile const __u32 *)&rq->is_charged)
        return d;
    payer = authorize_payer(&rq->mark);
    if (!payer)
        return d;
    wait_ns = msp_rate_take(payer, h->bucket + payer, h->limit.per_second,
                            h->limit.burst);
    if (!wait_ns)
        return d;
    if (d.verdict == MSP_VERDICT_DENY) {
        rq->retry_after_s = MSP_RATE_REFUSED_S;
        return d;
    }
    d.reason = MSP_REASON_RATE_LIMITED;
    if (wait_ns == RATE_NO_ROOM) {
        d.reason = MSP_REASON_RATE_NO_ROOM;
        wait_ns = 0;
    }
    event_stat(d.reason == MSP_REASON_RATE_LIMITED ? MSP_STAT_RATE_LIMITED
                                                   : MSP_STAT_RATE_NO_ROOM);
    /* fail closed: also where nobody could count */
    d.verdict = is_audit ? MSP_VERDICT_AUDIT : MSP_VERDICT_DENY;
    rq->retry_after_s = msp_rate_retry_s(wait_ns);
    return d;
}

SEC("syscall")

int msp_authorize(struct msp_authorize_ctx *ctx)
{
    struct walk w = {.identity = MSP_NO_IDENTITY, .privilege = MSP_NO_IDENTITY};
    const struct msp_slot_meta *sm;
    const struct msp_exec *r;
    struct event_rows rows;
    struct msp_outcome o = {};
    struct msp_request *rq;
    struct msp_decision d;
    struct msp_meta *meta;
    struct header h = {};
    __u32 page = ctx->slot, zero = 0, slot;

    rq = bpf_map_lookup_elem(&msp_requests, &page);
    meta = bpf_map_lookup_elem(&msp_meta, &zero);
    if (!rq || !meta)
        return MSP_VERDICT_NONE; /* fail closed: not an allowance */
    slot = *(volatile __u32 *)&meta->live & (MSP_SLOTS - 1);
    sm = &meta->slot[slot];
    o.generation = *(volatile const __u64 *)&sm->generation;
    if (!authorize_header(rq, &h))
        d = msp_decided(MSP_VERDICT_DENY, MSP_REASON_BAD_REQUEST);
    else
        d = authorize_decide(rq, &h, &w, sm, slot);
    /* fail closed: refilled while we looked, or never filled */
    if (!o.generation ||
        *(volatile const __u64 *)&sm->generation != o.generation) {
        event_stat(MSP_STAT_GENERATION_MOVED);
        d = msp_decided(MSP_VERDICT_STALE, MSP_REASON_STALE_POLICY);
    }
    rq->retry_after_s = 0;
    d = authorize_charge(rq, &h, d);
    o.time_ns = bpf_ktime_get_ns();
    o.slot = slot;
    o.endpoint = h.endpoint;
    o.stage = MSP_STAGE_REQUEST;
    o.verdict = d.verdict;
    o.reason = d.reason;
    o.identity = w.identity;
    o.privilege = w.privilege;
    event_name(&rq->identity, &msp_id_names, slot, w.identity);
    event_name(&rq->privilege, &msp_pr_names, slot, w.privilege);
    r = event_exec(&rq->mark);
    event_exe_name(&rq->exe_name, &rq->mark, r);
    event_find(&rows, &rq->mark, &o);
    event_audit(&rows, &rq->mark, &o, r, rq->audit_path);
    rq->generation = o.generation;
    rq->agent_epoch = meta->agent_epoch;
    rq->reason = d.reason;
    rq->verdict = d.verdict;
    return d.verdict | d.reason << 8;
}
