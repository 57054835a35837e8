/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Putting a policy into force: fresh frozen maps in an idle slot, then one
 * store of `live`. The only file that knows how policy is swapped. Up to that
 * store nothing a running program reads has changed.
 */
#pragma once

#include <msp/image.h>

#include "loader/ctrlive.h"
#include "loader/exerows.h"
#include "loader/load.h"
#include "loader/rows.h"

/* Flags of a slot that follow from its image: dimensions, few addresses. */
#define MSP_SLOT_FOUND                                              \
    (MSP_SLOT_GROUP_DIM | MSP_SLOT_EXE_DIM | MSP_SLOT_PROCESS_DIM | \
     MSP_SLOT_CGROUP_DIM | MSP_SLOT_FEW | MSP_SLOT_CONTAINER_DIM |  \
     MSP_SLOT_NO_GID)

struct msp_apply {
    const struct msp_image *image;
    const struct msp_rows *rows;
    const struct msp_exe_rows *exes; /* NULL: no file has a row */
    const struct msp_ctr_rows *ctrs; /* NULL: no container has a row */
    uint32_t flags; /* MSP_SLOT_BOOTSTRAP*; MSP_SLOT_FOUND are added here */
    bool is_same_identities; /* keep the live identity epoch */
};

/*
 * Applies and flips.
 * @return 0; negative errno, `why` set and the live policy as it was
 */
int msp_tables_apply(struct msp_loader *loader, const struct msp_apply *apply);

/* What is in force; generation 0 = nothing was ever applied. */
struct msp_slot_meta msp_tables_live(const struct msp_loader *loader);

/*
 * Drops pinned generations below `limit` that no slot holds. Call it some
 * seconds after `limit` was live: what is dropped has not been live since, so
 * that a program still running keeps its maps.
 */
void msp_tables_sweep(struct msp_loader *loader, uint64_t limit);
