/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Token buckets, see include/msp/rate.h. Looking at one and taking from one.
 *
 * A row can go between the look-up and the exchange, and its memory be another
 * bucket's at once. Whoever takes a row away marks it first, so a token is
 * never taken from one that goes. And who has taken looks the row up again: if
 * it is another one, the token is given back there and the try was none.
 */
#pragma once

#include "lib/event.bpf.h"
#include "lib/maps.bpf.h"

#define RATE_EEXIST  17
#define RATE_NO_ROOM (~0ull) /* instead of a time */

static __always_inline bool rate_is_set(const struct msp_endpoint *ep)
{
    return ep->rate.per_second != 0;
}

/* State of the tries to take one token. */
struct rate_try {
    struct msp_rate_key key;
    __u64 now_ns;
    __u64 wait_ns; /* 0 = it was taken */
};

/* @return non-zero: it is decided */
static long rate_try(__u32 i, struct rate_try *t)
{
    const struct msp_rate_limit *limit = &t->key.limit;
    struct msp_rate *row = bpf_map_lookup_elem(&msp_rates, &t->key);
    __u64 was, next;

    if (!row) {
        struct msp_rate fresh = {.full_ns =
                                     msp_rate_taken_ns(limit, 0, t->now_ns)};
        long r = bpf_map_update_elem(&msp_rates, &t->key, &fresh, BPF_NOEXIST);

        if (r == -RATE_EEXIST)
            return 0; /* somebody else has made it meanwhile */
        /* fail closed: no row, so nobody would count */
        t->wait_ns = r ? RATE_NO_ROOM : 0;
        return 1;
    }
    was = *(volatile __u64 *)&row->full_ns;
    if (was == MSP_RATE_GONE)
        return 0; /* it is, in a moment */
    t->wait_ns = msp_rate_wait_ns(limit, was, t->now_ns);
    next = msp_rate_taken_ns(limit, was, t->now_ns);
    if (!t->wait_ns &&
        __sync_val_compare_and_swap(&row->full_ns, was, next) != was) {
        t->wait_ns = RATE_NO_ROOM;
        return 0;
    }
    if (bpf_map_lookup_elem(&msp_rates, &t->key) == row)
        return 1;
    if (!t->wait_ns)
        __sync_fetch_and_add(&row->full_ns, -msp_rate_cost_ns(limit));
    t->wait_ns = RATE_NO_ROOM;
    return 0;
}

/*
 * Takes a token. Global, so that it is verified once and by itself.
 * @param limit_rate, limit_burst of a limit that is set
 * @return 0; ns until there is one; RATE_NO_ROOM: no bucket could be had
 */
__weak __noinline __u64 msp_rate_take(__u64 payer, __u32 endpoint,
                                      __u32 limit_rate, __u32 limit_burst)
{
    struct rate_try t = {.key = {.payer = payer,
                                 .endpoint = endpoint,
                                 .limit = {limit_rate, limit_burst}},
                         .now_ns = bpf_ktime_get_ns(),
                         .wait_ns = RATE_NO_ROOM};

    bpf_loop(MSP_RATE_TRIES, rate_try, &t, 0);
    return t.wait_ns;
}

/*
 * Whether there is a token, without taking it. A bucket that cannot be read
 * for certain has one: the request will be asked for it. Global, as above.
 */
__weak __noinline __u32 msp_rate_is_empty(__u64 payer, __u32 endpoint,
                                          __u32 limit_rate, __u32 limit_burst)
{
    struct msp_rate_key key = {.payer = payer,
                               .endpoint = endpoint,
                               .limit = {limit_rate, limit_burst}};
    struct msp_rate *row = bpf_map_lookup_elem(&msp_rates, &key);
    __u64 was;

    if (!row)
        return 0;
    was = *(volatile __u64 *)&row->full_ns;
    if (was == MSP_RATE_GONE || bpf_map_lookup_elem(&msp_rates, &key) != row)
        return 0;
    return msp_rate_wait_ns(&key.limit, was, bpf_ktime_get_ns()) != 0;
}
