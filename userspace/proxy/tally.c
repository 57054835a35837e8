/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "tally.h"

_Static_assert((MSP_TALLY_ROWS & (MSP_TALLY_ROWS - 1)) == 0, "power of two");

static uint32_t home_of(uint64_t id)
{
    return (uint32_t)((id * 0x9e3779b97f4a7c15ull) >> 32) &
           (MSP_TALLY_ROWS - 1);
}

/* The id's row, or the empty one where it would stand. */
static uint32_t find(const struct msp_tally *tally, uint64_t id)
{
    uint32_t i = home_of(id);

    while (tally->row[i].n && tally->row[i].id != id)
        i = (i + 1) & (MSP_TALLY_ROWS - 1);
    return i;
}

int msp_tally_add(struct msp_tally *tally, uint64_t id)
{
    uint32_t i = find(tally, id);

    if (tally->row[i].n == 0) {
        if (tally->n_used >= MSP_TALLY_ROWS - 1)
            return -1; /* fail closed: what cannot be counted is refused */
        tally->n_used++;
        tally->row[i].id = id;
    }
    return (int)++tally->row[i].n;
}

/* Closes the hole at `hole` by moving later rows of the same run back. */
static void close_hole(struct msp_tally *tally, uint32_t hole)
{
    const uint32_t mask = MSP_TALLY_ROWS - 1;

    for (uint32_t i = (hole + 1) & mask; tally->row[i].n; i = (i + 1) & mask) {
        uint32_t home = home_of(tally->row[i].id);

        if (((i - home) & mask) < ((i - hole) & mask))
            continue;
        tally->row[hole] = tally->row[i];
        tally->row[i].n = 0;
        hole = i;
    }
}

void msp_tally_drop(struct msp_tally *tally, uint64_t id)
{
    uint32_t i = find(tally, id);

    if (tally->row[i].n == 0 || --tally->row[i].n)
        return;
    tally->n_used--;
    close_hole(tally, i);
}

uint32_t msp_tally_count(const struct msp_tally *tally, uint64_t id)
{
    return tally->row[find(tally, id)].n;
}
