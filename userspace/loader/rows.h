/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * From identities and the ids their names have on this host to the rows that
 * the kernel ANDs at connect. Pure. A row is wildcard bits OR the identities
 * that demand that id; the wildcard row alone answers for ids without a row.
 * An identity that can match nobody is in no row and in no wildcard row.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <msp/image.h>

/* What the host says about the names of one identity. */
struct msp_resolved {
    uint32_t user_id;
    uint32_t group_id;
    bool is_user_found;
    bool is_group_found;
};

struct msp_row {
    uint32_t id;
    uint32_t pad;
    struct msp_idset set;
};

/* One table; rows sorted by id, ids unique. */
struct msp_row_table {
    struct msp_row *row; /* owned */
    size_t n;
};

struct msp_rows {
    struct msp_row_table dim[MSP_DIM_IDS]; /* uid, gid, group */
    struct msp_idset wild[MSP_DIM_COUNT];  /* [MSP_DIM_HOST_ONLY]: that set */
};

/*
 * Whether an identity can match nobody on this host.
 * @param resolved NULL: not known yet, its names are not looked at
 */
bool msp_rows_is_dead(const struct msp_image_identity *identity,
                      const struct msp_resolved *resolved);

/*
 * Of executables, base names and cgroups only the wildcard rows are made here.
 * @param resolved [identities of the image]
 * @param ret empty or filled before; emptied first
 * @return 0; -ENOMEM
 */
int msp_rows_build(const struct msp_image *image,
                   const struct msp_resolved *resolved, struct msp_rows *ret);

/* Whether every caller gets the same set from both. */
bool msp_rows_equal(const struct msp_rows *a, const struct msp_rows *b);

void msp_rows_done(struct msp_rows *rows);
