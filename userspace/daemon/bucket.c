/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/bucket.h"

#include <msp/limits.h>

enum {
    PROBES = 16,  /* places a payer may have */
    TOKEN = 1000, /* one line, in `milli` */
};

/* Finds the bucket or takes the place idle for longest. */
static struct msp_bucket *find(struct msp_buckets *buckets, uint64_t payer)
{
    uint64_t hash = payer * 0x9e3779b97f4a7c15ull >> 32;
    struct msp_bucket *oldest = &buckets->bucket[hash % MSP_BUCKETS];

    for (unsigned int i = 0; i < PROBES; i++) {
        struct msp_bucket *bucket = &buckets->bucket[(hash + i) % MSP_BUCKETS];

        if (bucket->last_ms && bucket->payer == payer)
            return bucket;
        if (bucket->last_ms < oldest->last_ms)
            oldest = bucket;
    }
    buckets->n_dropped_gone += oldest->n_dropped;
    *oldest = (struct msp_bucket){.payer = payer};
    return oldest;
}

static void fill(struct msp_bucket *bucket, uint64_t now_ms, uint64_t per_s,
                 uint64_t burst)
{
    const uint64_t full = burst * TOKEN;

    if (!bucket->last_ms)
        bucket->milli = full;
    else
        bucket->milli += (now_ms - bucket->last_ms) * per_s;
    if (bucket->milli > full)
        bucket->milli = full;
    bucket->last_ms = now_ms;
}

/* What a kind of payers may not have of the bucket over all; msp_payer_share */
static uint64_t kept_back(enum msp_payer_kind kind)
{
    const uint64_t full = MSP_LOG_ALL_BURST * (uint64_t)TOKEN;
    uint64_t kept = 0;

    if (kind != MSP_PAYER_NOBODY)
        kept += full / MSP_SHARE_ROOT;
    if (kind == MSP_PAYER_CGROUP)
        kept += full / MSP_SHARE_KNOWN;
    return kept;
}

int msp_bucket_take(struct msp_buckets *buckets, uint64_t payer,
                    uint64_t now_ms, struct msp_dropped *ret_dropped)
{
    struct msp_bucket *bucket = find(buckets, payer), *all = &buckets->all;

    fill(bucket, now_ms, MSP_LOG_LINES_PER_S, MSP_LOG_BURST);
    fill(all, now_ms, MSP_LOG_ALL_PER_S, MSP_LOG_ALL_BURST);
    if (bucket->milli < TOKEN ||
        all->milli < TOKEN + kept_back(msp_payer_kind(payer))) {
        bucket->n_dropped++;
        return 0;
    }
    bucket->milli -= TOKEN;
    all->milli -= TOKEN;
    *ret_dropped =
        (struct msp_dropped){bucket->n_dropped, buckets->n_dropped_gone};
    bucket->n_dropped = buckets->n_dropped_gone = 0;
    return 1;
}
