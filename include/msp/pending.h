/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * How many marks of a network namespace are on their way, so that one
 * namespace cannot take all of msp_handoff. Compiled for BPF and for the host,
 * where tests run it.
 *
 * A hash table whose buckets are the elements of an array map. A hash map
 * would need its rows deleted, and a row that one CPU deletes while another
 * holds its address may at once be another namespace's: since Linux 6.1 an
 * element is used again without a grace period. Array elements are never
 * freed. The lock makes "find the way, or take a free one, and count" one step
 * and "count down, and so free it" another, so that no count is lost, a
 * namespace never has two ways, and whoever counted finds what it counted. A
 * way belongs to a namespace only while n is not 0: nothing is left of a
 * namespace that has no mark on its way, and there is nothing to collect.
 */
#pragma once

#include <linux/bpf.h>

#include <msp/decide.h>

struct msp_pending {
    struct bpf_spin_lock lock; /* of all below */
    __u32 pad;
    __u64 cookie[MSP_PENDING_WAYS]; /* netns cookie; means nothing if n is 0 */
    __u32 n[MSP_PENDING_WAYS];      /* marks on their way; 0 = free */
};

MSP_ASSERT_SIZE(msp_pending, 8 + 12 * MSP_PENDING_WAYS);

/* The verifier wants fixed offsets, and nothing called under the lock. */
#ifdef __bpf__
#define MSP_EACH_WAY(i)                                                      \
    _Pragma("clang loop unroll(full)") for (int i = 0; i < MSP_PENDING_WAYS; \
                                            i++)
#else
/* NOLINTNEXTLINE(bugprone-macro-parentheses): it declares its argument */
#define MSP_EACH_WAY(i) for (int i = 0; i < MSP_PENDING_WAYS; i++)
#endif

/*
 * Index of a namespace's bucket. Cookies are numbers in a row, but each CPU
 * takes 4,096 at a time: their low bits alone would put namespaces made on
 * different CPUs into the same few buckets.
 */
MSP_PURE __u32 msp_pending_bucket(__u64 cookie)
{
    cookie ^= cookie >> 33;
    cookie *= 0xff51afd7ed558ccdull;
    cookie ^= cookie >> 33;
    return cookie & (MSP_PENDING_BUCKETS - 1);
}

/*
 * Counts a mark of this namespace. The caller holds the lock.
 * @return false: it has MSP_HANDOFF_PER_NETNS, or no way is free
 */
MSP_PURE bool msp_pending_add(struct msp_pending *bucket, __u64 cookie)
{
    MSP_EACH_WAY(i)
    {
        if (!bucket->n[i] || bucket->cookie[i] != cookie)
            continue;
        if (bucket->n[i] >= MSP_HANDOFF_PER_NETNS)
            return false;
        bucket->n[i]++;
        return true;
    }
    MSP_EACH_WAY(i)
    {
        /* read anew: what is kept would be 2^MSP_PENDING_WAYS paths to verify */
        if (*(volatile const __u32 *)&bucket->n[i])
            continue;
        bucket->cookie[i] = cookie;
        bucket->n[i] = 1;
        return true;
    }
    return false;
}

/* Takes one count back. The caller holds the lock. */
MSP_PURE void msp_pending_drop(struct msp_pending *bucket, __u64 cookie)
{
    MSP_EACH_WAY(i)
    {
        if (!bucket->n[i] || bucket->cookie[i] != cookie)
            continue;
        bucket->n[i]--;
        return;
    }
}
