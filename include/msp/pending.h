/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * How many marks of a payer are on their way, and how many of his sockets are
 * under the fd guard, so that nobody can take all of msp_handoff or of
 * msp_fd_socks. Compiled for BPF and for the host, where tests run it.
 *
 * A hash table whose buckets are the elements of an array map. A hash map
 * would need its rows deleted, and a row that one CPU deletes while another
 * holds its address may at once be another payer's: since Linux 6.1 an element
 * is used again without a grace period. Array elements are never freed. The
 * lock makes "find the way, or take a free one, and count" one step and "count
 * down, and so free it" another, so that no count is lost, a payer never has
 * two ways, and whoever counted finds what it counted. A way belongs to a payer
 * only while one of its counts is not 0: nothing is left of a payer that has
 * nothing, and there is nothing to collect.
 *
 * Real root of the host has no way: nobody can take its. Who pays by his cgroup
 * finds the last ways of a bucket taken, so others find one. Nobody can choose
 * whose bucket he is in: the hash has a number that the host made up.
 */
#pragma once

#include <linux/bpf.h>

#include <msp/payer.h>

/* What is counted. */
enum msp_pending_kind {
    MSP_PENDING_MARKS = 0, /* rows of msp_handoff */
    MSP_PENDING_SOCKS,     /* of msp_fd_socks */
    MSP_PENDING_KINDS,
};

/* Of one payer; all zero = free. */
union msp_pending_way {
    __u32 any;
    __u16 n[MSP_PENDING_KINDS];
};

struct msp_pending {
    struct bpf_spin_lock lock; /* of all below */
    __u32 pad;
    __u64 payer[MSP_PENDING_WAYS]; /* means nothing if the way is free */
    union msp_pending_way way[MSP_PENDING_WAYS];
};

MSP_ASSERT_SIZE(msp_pending, 8 + 12 * MSP_PENDING_WAYS);
_Static_assert(sizeof(union msp_pending_way) == 4, "both counts in a word");

/* The verifier wants fixed offsets, and nothing called under the lock. */
#ifdef __bpf__
#define MSP_EACH_WAY(i)                                                      \
    _Pragma("clang loop unroll(full)") for (int i = 0; i < MSP_PENDING_WAYS; \
                                            i++)
#else
/* NOLINTNEXTLINE(bugprone-macro-parentheses): it declares its argument */
#define MSP_EACH_WAY(i) for (int i = 0; i < MSP_PENDING_WAYS; i++)
#endif

/* Index of a payer's bucket. */
MSP_PURE __u32 msp_pending_bucket(__u64 payer, __u64 seed)
{
    return msp_payer_hash(payer, seed, MSP_PENDING_BUCKETS);
}

/* How many a payer may have, while `used` are in use by all. */
MSP_PURE __u32 msp_pending_share(__u64 payer, enum msp_pending_kind kind,
                                 __u32 used)
{
    if (kind == MSP_PENDING_MARKS)
        return msp_payer_share(payer, used, MSP_HANDOFF_MAX,
                               MSP_HANDOFF_PER_PAYER);
    return msp_payer_share(payer, used, MSP_FD_SOCKS_MAX,
                           MSP_FD_SOCKS_PER_PAYER);
}

/*
 * Counts one of this payer, not root. The caller holds the lock.
 * @param share what msp_pending_share said
 * @return false: it has its share, or no way is free
 */
MSP_PURE bool msp_pending_add(struct msp_pending *bucket, __u64 payer,
                              enum msp_pending_kind kind, __u32 share)
{
    int ways = msp_payer_kind(payer) == MSP_PAYER_CGROUP
                   ? MSP_PENDING_WAYS - MSP_PENDING_KNOWN_WAYS
                   : MSP_PENDING_WAYS;

    MSP_EACH_WAY(i)
    {
        if (!bucket->way[i].any || bucket->payer[i] != payer)
            continue;
        if (bucket->way[i].n[kind] >= share)
            return false;
        bucket->way[i].n[kind]++;
        return true;
    }
    if (!share)
        return false;
    MSP_EACH_WAY(i)
    {
        /* read anew: what is kept would be 2^MSP_PENDING_WAYS paths to verify */
        if (i >= ways || *(volatile const __u32 *)&bucket->way[i].any)
            continue;
        bucket->payer[i] = payer;
        bucket->way[i].n[kind] = 1;
        return true;
    }
    return false;
}

/*
 * Takes one count back. The caller holds the lock.
 * @return whether there was one
 */
MSP_PURE bool msp_pending_drop(struct msp_pending *bucket, __u64 payer,
                               enum msp_pending_kind kind)
{
    MSP_EACH_WAY(i)
    {
        if (!bucket->way[i].n[kind] || bucket->payer[i] != payer)
            continue;
        bucket->way[i].n[kind]--;
        return true;
    }
    return false;
}
