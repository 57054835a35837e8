/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/ctrcgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <msp/cleanup.h>

#include "base/populated.h"

static int open_cgroup(int mount_fd, const char *path)
{
    const struct open_how how = {
        .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
                   RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
    };

    return (int)syscall(SYS_openat2, mount_fd, path + 1, &how, sizeof(how));
}

int msp_ctr_cgroup_id(int mount_fd, const char *path, uint64_t *ret_id)
{
    msp_autoclose int fd = open_cgroup(mount_fd, path);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0) {
        int r = -errno;

        return r == -ELOOP || r == -EXDEV || r == -ENOTDIR || r == -ENAMETOOLONG
                   ? -EINVAL
                   : r;
    }
    *ret_id = st.st_ino; /* of cgroup v2: the id */
    return 0;
}

bool msp_ctr_cgroup_is_populated(int mount_fd, const char *path, uint64_t id)
{
    msp_autoclose int fd = open_cgroup(mount_fd, path);

    return msp_populated(fd, id);
}

void msp_ctr_cgroup_why(int mount_fd, const char *path, int r, char *ret_why,
                        size_t size)
{
    char self[32], mount[PATH_MAX];
    ssize_t n;

    (void)snprintf(self, sizeof(self), "/proc/self/fd/%d", mount_fd);
    n = readlink(self, mount, sizeof(mount) - 1);
    mount[n < 0 ? 0 : n] = '\0';
    if (r == -ENOENT)
        (void)snprintf(ret_why, size, "there is no cgroup %s below %s", path,
                       mount);
    else if (r == -EINVAL)
        (void)snprintf(ret_why, size, "%s below %s is not a cgroup", path,
                       mount);
    else
        (void)snprintf(ret_why, size,
                       "the cgroup %s below %s cannot be opened: %s", path,
                       mount, strerror(-r));
}
