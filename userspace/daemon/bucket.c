/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/bucket.h"

#include <msp/limits.h>

enum {
    PROBES = 16
}; /* places a container may have */

/* Finds the bucket or takes the place idle for longest. */
static struct msp_bucket *find(struct msp_buckets *buckets, uint64_t cgroup_id)
{
    uint64_t hash = cgroup_id * 0x9e3779b97f4a7c15ull >> 32;
    struct msp_bucket *oldest = &buckets->bucket[hash % MSP_BUCKETS];

    for (unsigned int i = 0; i < PROBES; i++) {
        struct msp_bucket *bucket = &buckets->bucket[(hash + i) % MSP_BUCKETS];

        if (bucket->last_ms && bucket->cgroup_id == cgroup_id)
            return bucket;
        if (bucket->last_ms < oldest->last_ms)
            oldest = bucket;
    }
    *oldest = (struct msp_bucket){.cgroup_id = cgroup_id};
    return oldest;
}

int msp_bucket_take(struct msp_buckets *buckets, uint64_t cgroup_id,
                    uint64_t now_ms, uint64_t *ret_dropped)
{
    struct msp_bucket *bucket = find(buckets, cgroup_id);
    const uint64_t full = MSP_LOG_BURST * 1000ull;

    if (!bucket->last_ms)
        bucket->milli = full;
    else
        bucket->milli += (now_ms - bucket->last_ms) * MSP_LOG_LINES_PER_S;
    if (bucket->milli > full)
        bucket->milli = full;
    bucket->last_ms = now_ms;
    if (bucket->milli < 1000) {
        bucket->n_dropped++;
        return 0;
    }
    bucket->milli -= 1000;
    *ret_dropped = bucket->n_dropped;
    bucket->n_dropped = 0;
    return 1;
}
