/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What this kernel can do, found by trying, never by its version. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct msp_probe_row {
    const char *name; /* "map-ringbuf" */
    bool is_required;
    bool is_there;
};

/*
 * Tries every row; needs CAP_BPF.
 * @param ret_rows static table, [ret_n]
 * @return NULL; the name of the first required feature that is missing
 */
const char *msp_probe(const struct msp_probe_row **ret_rows, size_t *ret_n);
