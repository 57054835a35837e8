/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Fourth stage: rules to the rows of an image, sorted, unique, interned. It
 * knows no JSON; what it cannot lower is a limit, reported at its privilege.
 */
#pragma once

#include <msp/image.h>

#include "report.h"
#include "resolve.h"

/* A growing array of one row type. */
struct rows {
    void *data; /* owned */
    size_t n, cap;
    size_t size; /* bytes of a row */
};

/* Sections as they will stand in the image. */
struct msp_tables {
    struct rows section[MSP_SEC_COUNT];
};

/*
 * @param ret_tables msp_tables_done(), also after a failure
 * @return 0, also when a limit was reported; -ENOMEM
 */
int msp_lower(const struct policy_rules *rules, struct report *report,
              struct msp_tables *ret_tables);

void msp_tables_done(struct msp_tables *tables);
