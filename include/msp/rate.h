/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Token buckets: how many requests of one payer an endpoint lets through. A
 * bucket is one word, the time at which it will be full again, so that taking
 * a token is one compare-and-swap that loses none and makes none. One that is
 * full is no different from none. Compiled for BPF and for the host, where
 * tests run it. Include abi.h, whose rules hold here.
 */
#pragma once

#include <msp/abi.h>

/*
 * Key of msp_rates. With another limit it is another bucket: a push that
 * changes it begins with a full one, any other push leaves it as it is.
 */
struct msp_rate_key {
    __u64 payer; /* as in the mark; never 0: nobody has no bucket */
    __u32 endpoint;
    struct msp_rate_limit limit;
    __u32 pad;
};

MSP_ASSERT_SIZE(msp_rate_key, 24);

#define MSP_RATE_GONE (~0ull) /* full_ns of a row that is being taken away */

struct msp_rate {
    __u64 full_ns; /* CLOCK_MONOTONIC at which it is full, or was */
};

MSP_ASSERT_SIZE(msp_rate, 8);

/* Context of the program that takes rows of full buckets away. */
struct msp_rate_sweep_ctx {
    __u64 now_ns; /* out: when it ran */
    __u32 n_gone; /* out: rows it took away */
    __u32 n_left; /* out: rows that are left */
};

MSP_ASSERT_SIZE(msp_rate_sweep_ctx, 16);

#define MSP_RATE_PURE static inline __attribute__((always_inline, unused))
#define MSP_RATE_S    1000000000ull

/*
 * Time in which one token comes back, in ns; rounded up, so that no more come
 * than were promised. Only of a limit that there is.
 */
MSP_RATE_PURE __u64 msp_rate_cost_ns(const struct msp_rate_limit *limit)
{
    __u64 per_second = limit->per_second ? limit->per_second : 1;

    return (MSP_RATE_S + per_second - 1) / per_second;
}

/*
 * Time until there is a token, in ns; 0 = there is one.
 * @param full_ns of the bucket; 0 = there is no bucket yet
 */
MSP_RATE_PURE __u64 msp_rate_wait_ns(const struct msp_rate_limit *limit,
                                     __u64 full_ns, __u64 now_ns)
{
    __u64 cost_ns = msp_rate_cost_ns(limit);
    __u64 room_ns = cost_ns * limit->burst; /* <= 10^15 */
    __u64 missing_ns = full_ns > now_ns ? full_ns - now_ns : 0;

    missing_ns += cost_ns;
    return missing_ns > room_ns ? missing_ns - room_ns : 0;
}

/* The bucket's word without the token that there is. */
MSP_RATE_PURE __u64 msp_rate_taken_ns(const struct msp_rate_limit *limit,
                                      __u64 full_ns, __u64 now_ns)
{
    return (full_ns > now_ns ? full_ns : now_ns) + msp_rate_cost_ns(limit);
}

/* Whole seconds to wait, for a client: at least one, never too few. */
MSP_RATE_PURE __u32 msp_rate_retry_s(__u64 wait_ns)
{
    __u64 s = (wait_ns + MSP_RATE_S - 1) / MSP_RATE_S;

    return s ? s : 1;
}
