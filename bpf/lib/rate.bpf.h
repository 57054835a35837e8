/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Token buckets, see include/msp/rate.h. Looking at one, taking from one. */
#pragma once

#include "lib/event.bpf.h"
#include "lib/maps.bpf.h"

#define RATE_NO_ROOM    (~0ull) /* instead of a time */
#define RATE_GIVE_TRIES 8

static __always_inline bool rate_is_set(const struct msp_endpoint *ep)
{
    return ep->rate.per_second != 0;
}

static __always_inline __u64 rate_bucket(__u64 payer,
                                         const struct msp_endpoint *ep)
{
    return msp_rate_bucket(payer, ep->name, &ep->rate);
}

/* State of the tries to take one token. */
struct rate_try {
    struct msp_rates *row[2];
    struct msp_rate_limit limit;
    __u64 bucket;
    __u64 wait_ns; /* 0 = it was taken */
    struct msp_rate_seen seen[2];
    __u32 kind; /* enum msp_payer_kind */
    __u32 pad;
};

/* Finds the rows. @return whether they are there */
static __always_inline bool rate_find(__u64 bucket, struct msp_rates *row[2])
{
    __u32 zero = 0, index[2];
    struct msp_meta *meta = bpf_map_lookup_elem(&msp_meta, &zero);

    if (!meta)
        return false;
    msp_rate_rows(bucket, meta->seed, index);
    row[0] = bpf_map_lookup_elem(&msp_rates, &index[0]);
    row[1] = bpf_map_lookup_elem(&msp_rates, &index[1]);
    return row[0] && row[1];
}

/* @return ns until the bucket is full */
static __always_inline __u64 rate_look(struct rate_try *t, __u64 now_ns)
{
    msp_rate_look(t->row[0], t->bucket, now_ns, &t->seen[0]);
    msp_rate_look(t->row[1], t->bucket, now_ns, &t->seen[1]);
    return t->seen[0].missing_ns + t->seen[1].missing_ns;
}

/*
 * Takes a token from a way, or gives a free way to the bucket, less a token.
 * @return the word it has now; 0 somebody else was first
 */
static __always_inline __u64 rate_change(struct rate_try *t, __u64 *full_ns,
                                         __u64 *bucket, bool is_ours,
                                         __u64 now_ns)
{
    __u64 was = *(volatile __u64 *)full_ns;
    __u64 next = msp_rate_taken_ns(&t->limit, was, now_ns);
    __u64 missing_ns = was > now_ns ? was - now_ns : 0;

    if (is_ours) {
        if (was == MSP_RATE_GOES || msp_rate_wait_ns(&t->limit, missing_ns) ||
            __sync_val_compare_and_swap(full_ns, was, next) != was)
            return 0;
        return next;
    }
    if (missing_ns ||
        __sync_val_compare_and_swap(full_ns, was, MSP_RATE_GOES) != was)
        return 0;
    *(volatile __u64 *)bucket = t->bucket;
    return __sync_val_compare_and_swap(full_ns, MSP_RATE_GOES, next) ==
                   MSP_RATE_GOES
               ? next
               : 0;
}

/*
 * Gives a token back to a way, which is still the same bucket's until that
 * token has come back by itself.
 * @param taken_ns what the way's word was when it was taken
 */
static __always_inline void rate_give(struct rate_try *t, __u64 *full_ns,
                                      __u64 taken_ns)
{
    __u64 cost_ns = msp_rate_cost_ns(&t->limit);

    for (int i = 0; i < RATE_GIVE_TRIES; i++) {
        __u64 was = *(volatile __u64 *)full_ns;

        if (bpf_ktime_get_ns() >= taken_ns ||
            __sync_val_compare_and_swap(full_ns, was, was - cost_ns) == was)
            return;
    }
}

/* @return non-zero: it is decided */
static long rate_try(__u32 i, struct rate_try *t)
{
    __u64 now_ns = bpf_ktime_get_ns(), taken_ns, *full_ns;
    struct msp_rates *row;
    __u32 way, bit;
    bool is_ours;

    t->wait_ns = msp_rate_wait_ns(&t->limit, rate_look(t, now_ns));
    if (t->wait_ns)
        return 1;
    t->wait_ns = RATE_NO_ROOM;
    way = msp_rate_choose(t->seen, t->kind);
    if (way == MSP_RATE_NO_WAY)
        return 1; /* fail closed: no way, so nobody would count */
    is_ours = (t->seen[0].ways | t->seen[1].ways) != 0;
    row = way < MSP_RATE_WAYS ? t->row[0] : t->row[1];
    bit = way & (MSP_RATE_WAYS - 1);
    full_ns = &row->full_ns[bit];
    taken_ns = rate_change(t, full_ns, &row->bucket[bit], is_ours, now_ns);
    if (!taken_ns)
        return 0;
    /* others may have begun it elsewhere, or the way be another one's */
    now_ns = bpf_ktime_get_ns();
    if (rate_look(t, now_ns) <= msp_rate_cost_ns(&t->limit) * t->limit.burst &&
        (t->seen[0].ways | t->seen[1].ways << MSP_RATE_WAYS) >> way & 1) {
        t->wait_ns = 0;
        return 1;
    }
    rate_give(t, full_ns, taken_ns);
    return 0;
}

/*
 * Takes a token. Global, so that it is verified once and by itself.
 * @param bucket rate_bucket()
 * @param limit_rate, limit_burst of a limit that is set
 * @return 0; ns until there is one; RATE_NO_ROOM: no bucket could be had
 */
__weak __noinline __u64 msp_rate_take(__u64 payer, __u64 bucket,
                                      __u32 limit_rate, __u32 limit_burst)
{
    struct rate_try t = {.limit = {limit_rate, limit_burst},
                         .bucket = bucket,
                         .wait_ns = RATE_NO_ROOM,
                         .kind = msp_payer_kind(payer)};

    if (!rate_find(bucket, t.row))
        return RATE_NO_ROOM; /* fail closed: cannot happen */
    bpf_loop(MSP_RATE_TRIES, rate_try, &t, 0);
    return t.wait_ns;
}

/*
 * Whether there is a token, without taking it. Global, as above. Where it
 * cannot be told there is: the request will be asked for it.
 */
__weak __noinline __u32 msp_rate_is_empty(__u64 bucket, __u32 limit_rate,
                                          __u32 limit_burst)
{
    struct rate_try t = {.limit = {limit_rate, limit_burst}, .bucket = bucket};

    return rate_find(bucket, t.row) &&
           msp_rate_wait_ns(&t.limit, rate_look(&t, bpf_ktime_get_ns())) != 0;
}
