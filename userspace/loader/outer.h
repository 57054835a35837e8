/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Setting one slot of many outer maps. The kernel ends each such update by
 * waiting for a grace period, about 16 ms on a machine with 250 ticks a second;
 * updates that wait at the same time wait for the same one. So each has a
 * thread of its own, which lives only as long as the call: whoever forks or
 * drops privileges afterwards is alone again.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct msp_outer {
    int outer_fd; /* an array of maps */
    int inner_fd;
};

/*
 * Puts each inner map into `slot` of its outer map, in no order, and returns
 * when all updates have returned. Threads have every signal blocked. An update
 * for which there is no thread is made by the caller's: slower, no failure.
 * @param outer [n]
 * @param reterr_index which one failed first in the order of `outer`
 * @return 0; -ENOMEM with reterr_index n: nothing was changed; negative errno
 *         of that update: any of the others may have been made
 */
int msp_outer_set(const struct msp_outer *outer, size_t n, uint32_t slot,
                  size_t *reterr_index);
