/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Files of the policy in force and of the processes that run: rows of the live
 * slot as they are and as they become, exec records.
 */
#pragma once

#include "loader/exerows.h"
#include "loader/load.h"

/*
 * @param ret empty; filled on success
 * @return 0; -ENOENT nothing is live; negative errno
 */
int msp_exe_live_read(const struct msp_loader *loader,
                      struct msp_exe_rows *ret);

/*
 * Makes `now` of the rows `before` in the live slot.
 * @return 0; negative errno, `why` set: some were written
 */
int msp_exe_live_write(struct msp_loader *loader,
                       const struct msp_exe_rows *before,
                       const struct msp_exe_rows *now);

typedef void (*msp_exec_fn)(void *data, const struct msp_exe *exe);

/*
 * Every exec record; one that is made meanwhile may be missed.
 * @param fn NULL: they are counted only
 * @return their number; negative errno
 */
int64_t msp_exec_each(const struct msp_loader *loader, msp_exec_fn fn,
                      void *data);
