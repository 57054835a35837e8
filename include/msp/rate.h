/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Token buckets: how many requests of one payer an endpoint lets through. A
 * bucket is one word, the time at which it will be full again, so that taking
 * a token is one compare-and-swap that loses none and makes none. One that is
 * full is no different from none. Compiled for BPF and for the host, where
 * tests run it. The rules of abi.h hold here.
 *
 * The table is an array: no way of it is ever freed, and a way whose bucket is
 * full is free for any other. So there is nothing to collect, and whoever
 * holds the address of a way holds one. A bucket may be in either of two rows,
 * in a way that its kind of payer may have, whichever row has more of them.
 * Whoever takes a way for his bucket marks it first (MSP_RATE_GOES). He may be
 * held up then; that costs others nothing but this way.
 *
 * Two who begin the same bucket at once may give it two ways. Then what lacks
 * in it is the sum: each looks again after he has taken, and gives back what
 * was not there any more. So no token is taken twice.
 */
#pragma once

#include <msp/abi.h>
#include <msp/payer.h>

struct msp_rates {
    __u64 full_ns[MSP_RATE_WAYS]; /* CLOCK_MONOTONIC at which it is full, or */
                                  /* was; or MSP_RATE_GOES */
    __u64 bucket[MSP_RATE_WAYS];  /* msp_rate_bucket() */
};

MSP_ASSERT_SIZE(msp_rates, 16 * MSP_RATE_WAYS);

/* A way that is being given to another bucket. No time is so late. */
#define MSP_RATE_GOES (1ull << 62)

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
 * @param missing_ns until the bucket is full
 */
MSP_RATE_PURE __u64 msp_rate_wait_ns(const struct msp_rate_limit *limit,
                                     __u64 missing_ns)
{
    __u64 cost_ns = msp_rate_cost_ns(limit);
    __u64 room_ns = cost_ns * limit->burst; /* <= 10^15 */

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

/*
 * Which bucket: of a payer, an endpoint by its name, since a push may give it
 * another index, and a limit: with another one it is another bucket, which
 * begins full. Payers of one endpoint never share one.
 * @param name NUL-padded, 8 bytes aligned
 */
MSP_RATE_PURE __u64 msp_rate_bucket(__u64 payer, const char *name,
                                    const struct msp_rate_limit *limit)
{
    const __u64 *word = (const __u64 *)(const void *)name;
    __u64 sum = (__u64)limit->per_second << 32 | limit->burst;

    for (int i = 0; i < MSP_ENDPOINT_NAME_BYTES / 8; i++) {
        sum = (sum ^ word[i]) * 0xff51afd7ed558ccdull;
        sum ^= sum >> 32;
    }
    return payer + sum;
}

/* The two rows in which it may be; never the same one twice. */
MSP_RATE_PURE void msp_rate_rows(__u64 bucket, __u64 seed, __u32 ret_row[2])
{
    __u32 hash = msp_payer_hash(bucket, seed, MSP_RATE_ROWS * MSP_RATE_ROWS);

    ret_row[0] = hash & (MSP_RATE_ROWS - 1);
    ret_row[1] = hash / MSP_RATE_ROWS;
    if (ret_row[0] == ret_row[1])
        ret_row[1] ^= 1;
}

/* What one row has of a bucket, and room for it. */
struct msp_rate_seen {
    __u64 missing_ns;
    __u32 ways; /* bit mask: those that are this bucket's, full or not */
    __u32 free; /* those that are nobody's */
};

/* Hides from clang what it knows: of a comparison it makes a jump. */
#define MSP_RATE_OPAQUE(word) __asm__ volatile("" : "+r"(word))

/*
 * Looks through a row, without a jump: each would be two paths to verify, for
 * each way.
 */
MSP_RATE_PURE void msp_rate_look(const struct msp_rates *row, __u64 bucket,
                                 __u64 now_ns, struct msp_rate_seen *ret_seen)
{
    struct msp_rate_seen seen = {0};

    for (__u32 i = 0; i < MSP_RATE_WAYS; i++) {
        __u64 full_ns = *(const volatile __u64 *)&row->full_ns[i];
        __u64 other = *(const volatile __u64 *)&row->bucket[i] ^ bucket;
        __u64 is_free = ~(now_ns - full_ns); /* in the uppermost bit */
        __u64 is_ours;

        other |= full_ns & MSP_RATE_GOES;
        is_ours = ~(other | -other); /* there, too: other is 0 */
        MSP_RATE_OPAQUE(is_free);
        MSP_RATE_OPAQUE(is_ours);
        is_free >>= 63;
        is_ours >>= 63;
        MSP_RATE_OPAQUE(is_free);
        MSP_RATE_OPAQUE(is_ours);
        seen.missing_ns += (full_ns - now_ns) & -(is_ours & ~is_free);
        seen.free |= is_free << i;
        seen.ways |= is_ours << i;
    }
    *ret_seen = seen;
}

/*
 * Ways of a row that a payer of this kind may have, as a bit mask. Others can
 * make as many payers as they like of the worse known kinds, not of the
 * better known ones.
 */
MSP_RATE_PURE __u32 msp_rate_ways(enum msp_payer_kind kind)
{
    __u32 all = (1u << MSP_RATE_WAYS) - 1;

    if (kind == MSP_PAYER_CONTAINER)
        return all;
    if (kind == MSP_PAYER_USER)
        return all & ~((1u << MSP_RATE_CONTAINER_WAYS) - 1);
    return all & ~((1u << MSP_RATE_KNOWN_WAYS) - 1);
}

/* How many bits are set, of 16. */
MSP_RATE_PURE __u32 msp_rate_count(__u32 mask)
{
    mask -= mask >> 1 & 0x5555;
    mask = (mask & 0x3333) + (mask >> 2 & 0x3333);
    mask = (mask + (mask >> 4)) & 0x0f0f;
    return (mask + (mask >> 8)) & 0x1f;
}

#define MSP_RATE_NO_WAY (~0u)

/*
 * The way to take a token from, or to begin the bucket in.
 * @param seen of both rows
 * @return its number, MSP_RATE_WAYS more for one of the second row;
 *         MSP_RATE_NO_WAY: the bucket has none and none is free
 */
MSP_RATE_PURE __u32 msp_rate_choose(const struct msp_rate_seen seen[2],
                                    enum msp_payer_kind kind)
{
    __u32 ways = seen[0].ways, second = 0;

    if (!ways && seen[1].ways) {
        ways = seen[1].ways;
        second = MSP_RATE_WAYS;
    }
    if (!ways) {
        __u32 more = seen[1].free & msp_rate_ways(kind);

        ways = seen[0].free & msp_rate_ways(kind);
        if (msp_rate_count(more) > msp_rate_count(ways)) {
            ways = more;
            second = MSP_RATE_WAYS;
        }
    }
    if (!ways)
        return MSP_RATE_NO_WAY;
    /* as many as there are bits below the lowest one */
    return second + msp_rate_count((ways & -ways) - 1);
}
