/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Where the cgroup v2 hierarchy is and where in it this process lives. */
#pragma once

#include <limits.h>
#include <stdbool.h>

struct msp_cgroup {
    int fd;              /* directory enforced at */
    int mount_fd;        /* root of the mount, O_PATH */
    bool is_root;        /* it is the root of the mount */
    char path[PATH_MAX]; /* resolved */
};

/*
 * @param wanted NULL: the root of the cgroup2 mount
 * @param reterr_why static text
 * @return 0; -EXDEV this process is outside of it; negative errno
 */
int msp_cgroup_open(struct msp_cgroup *cgroup, const char *wanted,
                    const char **reterr_why);

/* Whether `path` is `dir` or below it; both absolute, without "." parts. */
bool msp_cgroup_is_below(const char *path, const char *dir);

/*
 * The mount point of the first cgroup2 line of a mountinfo text.
 * @return 0; -ENOENT; -ENAMETOOLONG
 */
int msp_cgroup_mount(const char *mountinfo, char ret_path[PATH_MAX]);

/* The path of the "0::" line of a /proc/PID/cgroup text; as above. */
int msp_cgroup_own(const char *text, char ret_path[PATH_MAX]);
