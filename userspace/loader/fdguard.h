/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The fd guard: a program at the map of the connections it watches. It stays
 * with the map's pin. What it does not have yet it never gets: connections
 * older than its switching on end as they are.
 */
#pragma once

#include <stdbool.h>

#include "loader/load.h"

/*
 * Switches it on, our program in place of an earlier mspd's, or off.
 * @return 0; negative errno, `why` set, nothing was switched
 */
int msp_fd_guard_set(struct msp_loader *loader, bool is_on);

/* @return 1 our program is attached; 0 it is not; negative errno */
int msp_fd_guard_check(const struct msp_loader *loader);
