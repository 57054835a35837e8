/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Whether anybody lives in a cgroup. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * @param dir_fd directory of a cgroup v2, O_PATH will do; negative: none
 * @param id of the cgroup that is meant: what there is at a path may be another
 * @return whether it is that one, and it or one below it has a process; false
 *         also where that cannot be told
 */
bool msp_populated(int dir_fd, uint64_t id);
