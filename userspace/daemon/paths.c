/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/paths.h"

#include <stddef.h>

const char *msp_paths_exe(const struct msp_paths *paths,
                          const struct msp_exe *exe)
{
    const char *path = NULL;

    if (paths && paths->exe && exe->ino)
        path = paths->exe(paths->data, exe);
    return path ? path : MSP_PATH_NONE;
}

const char *msp_paths_cgroup(const struct msp_paths *paths, uint64_t cgroup_id)
{
    const char *path = NULL;

    if (paths && paths->cgroup && cgroup_id)
        path = paths->cgroup(paths->data, cgroup_id);
    return path ? path : MSP_PATH_NONE;
}
