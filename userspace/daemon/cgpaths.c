/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/cgpaths.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "loader/iter.h"

const char *msp_cgpaths_find(struct msp_cgpaths *paths, uint64_t cgroup_id)
{
    struct msp_cgpath *kept = &paths->kept[cgroup_id % MSP_CGPATHS_KEPT];
    char path[PATH_MAX], *copy;

    if (kept->path && kept->id == cgroup_id)
        return kept->path;
    if (msp_iter_cgroup_path(paths->loader, cgroup_id, path, sizeof(path)) < 0)
        return NULL;
    copy = strdup(path);
    if (!copy)
        return NULL;
    free(kept->path);
    *kept = (struct msp_cgpath){cgroup_id, copy};
    return copy;
}

void msp_cgpaths_done(struct msp_cgpaths *paths)
{
    for (int i = 0; i < MSP_CGPATHS_KEPT; i++)
        free(paths->kept[i].path);
    memset(paths, 0, sizeof(*paths));
}
