/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Bringing the programs into force: new pinned cgroup links, or an exchange of
 * the programs under links that are there. There is no moment without one.
 */
#pragma once

#include <linux/bpf.h>

#include "loader/load.h"

/*
 * Attaches at a cgroup v2 directory and pins links and programs, or updates
 * the links of an earlier mspd (expecting the programs they run). Trees of
 * other layouts are removed once ours is in force.
 * @param cgroup_fd directory of the cgroup
 * @return 0; -EUCLEAN the pinned links are at another cgroup or run foreign
 *         programs; negative errno. `why` is set. On failure what was in force
 *         before is in force, perhaps with ours beside it.
 */
int msp_attach(struct msp_loader *loader, int cgroup_fd);

/* Of a program that has a cgroup (from MSP_PROG_CGROUP_LINKS on). */
enum bpf_attach_type msp_attach_type(enum msp_prog prog);
