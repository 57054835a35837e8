/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Token buckets: making room for those that are not full. */
#pragma once

#include "loader/load.h"

/*
 * Takes the rows of full buckets away, which nobody misses.
 * @param ret_counts what was done
 * @return 0; negative errno, `why` set
 */
int msp_rates_sweep(struct msp_loader *loader,
                    struct msp_rate_sweep_ctx *ret_counts);
