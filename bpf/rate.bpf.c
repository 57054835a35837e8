/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * syscall: takes the rows of full token buckets away, so that msp_rates has
 * room for those that are not. mspd runs it. A row is marked before it goes:
 * who takes a token meanwhile either changes the word first, and the row
 * stays, or sees the mark, and takes it from a row of his own.
 */
#include "lib/maps.bpf.h"

struct rate_sweep {
    __u64 now_ns;
    __u32 n_gone;
    __u32 n_left;
};

static long rate_collect(void *map, const struct msp_rate_key *key,
                         struct msp_rate *row, struct rate_sweep *s)
{
    __u64 was = *(volatile __u64 *)&row->full_ns;
    struct msp_rate_key gone = *key;

    s->n_left++;
    /* another sweep has marked it: whoever did takes it away */
    if (was == MSP_RATE_GONE || was > s->now_ns)
        return 0;
    if (__sync_val_compare_and_swap(&row->full_ns, was, MSP_RATE_GONE) != was)
        return 0;
    if (bpf_map_delete_elem(&msp_rates, &gone)) {
        __sync_val_compare_and_swap(&row->full_ns, MSP_RATE_GONE, was);
        return 0;
    }
    s->n_left--;
    s->n_gone++;
    return 0;
}

SEC("syscall")

int msp_sweep_rates(struct msp_rate_sweep_ctx *ctx)
{
    struct rate_sweep s = {.now_ns = bpf_ktime_get_ns()};

    bpf_for_each_map_elem(&msp_rates, rate_collect, &s, 0);
    ctx->now_ns = s.now_ns;
    ctx->n_gone = s.n_gone;
    ctx->n_left = s.n_left;
    return 0;
}
