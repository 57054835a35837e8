/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Reading the policy in force back from its pinned maps. */
#pragma once

#include "loader/load.h"
#include "loader/rows.h"
#include "loader/target.h"

/*
 * The rows of the live generation, as msp_rows_build gave them.
 * @param ret empty; filled on success
 * @return 0; -ENOENT nothing is live; negative errno
 */
int msp_live_rows(const struct msp_loader *loader, struct msp_rows *ret);

/*
 * Its endpoints and their addresses, as msp_targets_build gave them.
 * @param ret empty; filled on success
 * @return 0; -ENOENT nothing is live; negative errno
 */
int msp_live_targets(const struct msp_loader *loader, struct msp_targets *ret);

/* @return 0; -ENOENT no endpoint of that index; negative errno */
int msp_live_endpoint(const struct msp_loader *loader, uint32_t index,
                      struct msp_endpoint *ret);
