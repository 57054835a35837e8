/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/summary.h"

#include <string.h>

/* Buckets that passed between the two. */
static uint64_t passed(uint64_t then_ms, uint64_t now_ms)
{
    return now_ms / MSP_SUMMARY_BUCKET_MS - then_ms / MSP_SUMMARY_BUCKET_MS;
}

static uint32_t *bucket_of(struct msp_summary_row *row, uint64_t now_ms)
{
    return &row->count[now_ms / MSP_SUMMARY_BUCKET_MS % MSP_SUMMARY_BUCKETS];
}

/* Empties the buckets that were last filled a round ago. */
static void turn(struct msp_summary_row *row, uint64_t now_ms)
{
    uint64_t n = passed(row->last_ms, now_ms);

    for (uint64_t i = 0; i < n && i < MSP_SUMMARY_BUCKETS; i++)
        *bucket_of(row, now_ms - i * MSP_SUMMARY_BUCKET_MS) = 0;
}

void msp_summary_add(struct msp_summary *summary,
                     const struct msp_summary_key *key, uint64_t now_ms)
{
    struct msp_summary_row *oldest = &summary->row[0], *row = NULL;

    for (int i = 0; i < MSP_SUMMARY_ROWS && !row; i++) {
        struct msp_summary_row *at = &summary->row[i];

        if (at->last_ms && memcmp(&at->key, key, sizeof(*key)) == 0)
            row = at;
        if (at->last_ms < oldest->last_ms)
            oldest = at;
    }
    if (row) {
        turn(row, now_ms);
    } else {
        row = oldest;
        *row = (struct msp_summary_row){.key = *key};
    }
    row->last_ms = now_ms;
    if (*bucket_of(row, now_ms) < UINT32_MAX)
        ++*bucket_of(row, now_ms);
}

uint64_t msp_summary_count(const struct msp_summary_row *row, uint64_t now_ms)
{
    struct msp_summary_row copy = *row;
    uint64_t n = 0;

    if (!row->last_ms)
        return 0;
    turn(&copy, now_ms);
    for (int i = 0; i < MSP_SUMMARY_BUCKETS; i++)
        n += copy.count[i];
    return n;
}
