/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The kernel's tables of registered containers. A container is named by the
 * id of its top cgroup.
 */
#pragma once

#include <stddef.h>

#include "loader/load.h"

/* Rows for a slot, as they are filled in one go. */
struct msp_ctr_rows {
    uint64_t *top;           /* [n], owned */
    struct msp_ctr_row *row; /* [n], owned; stamps are set */
    size_t n;
};

void msp_ctr_rows_done(struct msp_ctr_rows *rows);

/* A stamp no row has had. */
uint64_t msp_ctr_stamp(void);

/*
 * Writes or deletes one row of the live slot; at no moment is there none where
 * there was one. @param set NULL: delete @return 0; -ENOENT nothing is live;
 * negative errno
 */
int msp_ctr_live_set(const struct msp_loader *loader, uint64_t top,
                     const struct msp_idset *set);

/* @param name NULL: delete @return 0; negative errno */
int msp_ctr_name_set(const struct msp_loader *loader, uint64_t top,
                     const struct msp_ctr_name *name);

/* Makes a cgroup a top, or none. @return 0; -E2BIG full; negative errno */
int msp_ctr_top_set(const struct msp_loader *loader, uint64_t top, bool is_top);

/* The top of a cgroup's container. @return 0: it is in none */
uint64_t msp_ctr_top_of(const struct msp_loader *loader, uint64_t cgroup_id);

/*
 * Brings the cgroups below a top, and itself, into line with tops.
 * @param top 0: of all there are @param ret_left cgroups without room
 * @return 0; -ENOENT it is gone; negative errno, `why` set
 */
int msp_ctr_fill(struct msp_loader *loader, uint64_t top, uint64_t *ret_left);

/*
 * Every top there is. @param ret_top free(); [ret_n] @return 0; negative errno
 */
int msp_ctr_tops(const struct msp_loader *loader, uint64_t **ret_top,
                 size_t *ret_n);
