/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The cgroup a registration names by its path below the cgroup2 mount. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Follows no link, and nothing out of the mount.
 * @param mount_fd O_PATH, of the cgroup2 mount
 * @param path "/a/b"
 * @param ret_id never given twice since boot
 * @return 0; -ENOENT there is none; -EINVAL the path is not a cgroup's; errno
 */
int msp_ctr_cgroup_id(int mount_fd, const char *path, uint64_t *ret_id);

/*
 * Whether the cgroup has processes, itself or below.
 * @param path, id of the cgroup that is meant
 * @return false also where another one has the path, or it cannot be told
 */
bool msp_ctr_cgroup_is_populated(int mount_fd, const char *path, uint64_t id);

/*
 * Why it was not found, in words that name the mount and the path.
 * @param r what msp_ctr_cgroup_id() returned
 * @param ret_why [size], cut where it is longer
 */
void msp_ctr_cgroup_why(int mount_fd, const char *path, int r, char *ret_why,
                        size_t size);
