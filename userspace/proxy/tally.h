/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Open connections by payer: an open-addressing table, twice as large as
 * there can be connections, so it never fills and never allocates.
 */
#pragma once

#include <stdint.h>

#include <msp/limits.h>

#define MSP_TALLY_ROWS (2 * MSP_CONNS_MAX)

struct msp_tally {
    struct {
        uint64_t id;
        uint32_t n; /* 0 = empty row */
    } row[MSP_TALLY_ROWS];

    uint32_t n_used;
};

/* Counts one more. @return the new count; -1 the table is full */
int msp_tally_add(struct msp_tally *tally, uint64_t id);
/* One less; no-op on an id that has none. */
void msp_tally_drop(struct msp_tally *tally, uint64_t id);
uint32_t msp_tally_count(const struct msp_tally *tally, uint64_t id);
