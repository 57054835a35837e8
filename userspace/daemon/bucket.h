/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Rate limit of log lines: one token bucket a payer, and one over all, of which
 * a part is kept back for others by kind, as of every shared table. The buckets
 * are a fixed table: when it is full, the one idle for longest makes room.
 */
#pragma once

#include <stdint.h>

#include <msp/payer.h>

enum {
    MSP_BUCKETS = 1024
};

struct msp_bucket {
    uint64_t payer;
    uint64_t last_ms;   /* 0 = free */
    uint64_t milli;     /* tokens, thousandths */
    uint64_t n_dropped; /* since the last line that went out */
};

/* Zero-initialised: all are full. */
struct msp_buckets {
    struct msp_bucket bucket[MSP_BUCKETS];
    struct msp_bucket all;   /* without payer and n_dropped */
    uint64_t n_dropped_gone; /* of buckets that made room, not yet told */
};

/* Lines that were left out and are told with one that is not. */
struct msp_dropped {
    uint64_t n;      /* of its payer, since his last one */
    uint64_t n_gone; /* of payers whose buckets made room for others */
};

/*
 * @param payer payer.h; who is of the kind nobody may have any id
 * @param now_ms monotonic, never 0
 * @param ret_dropped set on 1: what is to be told with this line
 * @return 1 write the line; 0 leave it out
 */
int msp_bucket_take(struct msp_buckets *buckets, uint64_t payer,
                    uint64_t now_ms, struct msp_dropped *ret_dropped);
