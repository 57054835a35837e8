/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/summary.h"

#include <string.h>

#include <msp/payer.h>

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

/* Never used, or of more than four hours ago. */
static bool is_free(const struct msp_summary_row *row, uint64_t now_ms)
{
    return !row->last_ms || passed(row->last_ms, now_ms) >= MSP_SUMMARY_BUCKETS;
}

static bool is_by_cgroup(uint64_t payer)
{
    return msp_payer_kind(payer) == MSP_PAYER_CGROUP;
}

static int rows_of(const struct msp_summary *summary, uint64_t payer)
{
    int n = 0;

    for (int i = 0; i < MSP_SUMMARY_ROWS; i++)
        n += summary->row[i].payer == payer;
    return n;
}

/* Of the payer who has most, the quietest. All rows are in use, or all that
 * are charged to cgroups are meant, and there are some. */
static struct msp_summary_row *find_victim(struct msp_summary *summary,
                                           bool is_cgroups_only)
{
    struct msp_summary_row *victim = NULL;
    int n_most = 0;

    for (int i = 0; i < MSP_SUMMARY_ROWS; i++) {
        struct msp_summary_row *row = &summary->row[i];
        int n;

        if (is_cgroups_only && !is_by_cgroup(row->payer))
            continue;
        n = rows_of(summary, row->payer);
        if (!victim || n > n_most ||
            (n == n_most && row->last_ms < victim->last_ms)) {
            victim = row;
            n_most = n;
        }
    }
    return victim;
}

/* What there is for a key. */
struct places {
    struct msp_summary_row *same; /* its row, or NULL */
    struct msp_summary_row *free; /* NULL: none */
    int n_his;
    int n_by_cgroup;
};

static struct places look(struct msp_summary *summary, uint64_t payer,
                          const struct msp_summary_key *key, uint64_t now_ms)
{
    struct places places = {0};

    for (int i = 0; i < MSP_SUMMARY_ROWS && !places.same; i++) {
        struct msp_summary_row *row = &summary->row[i];

        if (is_free(row, now_ms)) {
            memset(row, 0, sizeof(*row));
            places.free = places.free ? places.free : row;
            continue;
        }
        places.n_his += row->payer == payer;
        places.n_by_cgroup += is_by_cgroup(row->payer);
        if (memcmp(&row->key, key, sizeof(*key)) == 0)
            places.same = row;
    }
    return places;
}

static struct msp_summary_row *make_row(struct msp_summary *summary,
                                        const struct places *places,
                                        uint64_t payer,
                                        const struct msp_summary_key *key)
{
    const int most = MSP_SUMMARY_ROWS - MSP_SUMMARY_ROWS / MSP_SHARE_ROOT -
                     MSP_SUMMARY_ROWS / MSP_SHARE_KNOWN;
    struct msp_summary_row *row = places->free;
    bool is_share_used = is_by_cgroup(payer) && places->n_by_cgroup >= most;

    if (is_share_used || !row)
        row = find_victim(summary, is_share_used);
    *row = (struct msp_summary_row){.payer = payer, .key = *key};
    return row;
}

void msp_summary_add(struct msp_summary *summary, uint64_t payer,
                     const struct msp_summary_key *key, uint64_t now_ms)
{
    /* of nobody in particular, and to nowhere */
    static const struct msp_summary_key other = {.is_container = 1,
                                                 .addr = {[10] = 0xff, 0xff},
                                                 .exe = "other",
                                                 .status = "other"};
    struct places places = look(summary, payer, key, now_ms);
    struct msp_summary_row *row;

    if (!places.same && places.n_his >= MSP_SUMMARY_PAYER_ROWS) {
        payer = msp_payer_of(MSP_PAYER_NOBODY, 0);
        key = &other;
        places = look(summary, payer, key, now_ms);
    }
    row = places.same;
    if (row)
        turn(row, now_ms);
    else
        row = make_row(summary, &places, payer, key);
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
