/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Rate limit of log lines, one token bucket a container (cgroup). A fixed
 * table: when it is full, the bucket idle for longest makes room.
 */
#pragma once

#include <stdint.h>

enum {
    MSP_BUCKETS = 1024
};

struct msp_bucket {
    uint64_t cgroup_id;
    uint64_t last_ms;   /* 0 = free */
    uint64_t milli;     /* tokens, thousandths */
    uint64_t n_dropped; /* since the last line that went out */
};

struct msp_buckets {
    struct msp_bucket bucket[MSP_BUCKETS];
};

/*
 * @param now_ms monotonic, never 0
 * @param ret_dropped lines left out since the last one, on 1
 * @return 1 write the line; 0 leave it out
 */
int msp_bucket_take(struct msp_buckets *buckets, uint64_t cgroup_id,
                    uint64_t now_ms, uint64_t *ret_dropped);
