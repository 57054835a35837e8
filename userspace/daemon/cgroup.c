/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/cgroup.h"

#include <errno.h>
#include <fcntl.h>

#include <msp/cleanup.h>

#include "base/io.h"

enum {
    PROC_BYTES_MAX = 4 << 20
};

bool msp_cgroup_is_below(const char *path, const char *dir)
{
    size_t n = strlen(dir);

    while (n && dir[n - 1] == '/')
        n--;
    return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

/* mountinfo writes blanks and backslashes as octal. */
static int unescape(const char *from, size_t len, char ret[PATH_MAX])
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        if (n + 1 >= PATH_MAX)
            return -ENAMETOOLONG;
        if (from[i] == '\\' && i + 3 < len) {
            ret[n++] = (char)((from[i + 1] - '0') << 6 |
                              (from[i + 2] - '0') << 3 | (from[i + 3] - '0'));
            i += 3;
        } else {
            ret[n++] = from[i];
        }
    }
    ret[n] = '\0';
    return 0;
}

int msp_cgroup_mount(const char *mountinfo, char ret_path[PATH_MAX])
{
    /* ID PARENT MAJ:MIN ROOT MOUNTPOINT OPTIONS [...] - FSTYPE SOURCE ... */
    for (const char *line = mountinfo; line && *line;) {
        const char *end = strchrnul(line, '\n');
        const char *type = strstr(line, " - cgroup2 ");
        const char *point = line;

        if (type && type < end) {
            for (int i = 0; i < 4 && point; i++) {
                point = strchr(point, ' ');
                if (point)
                    point++;
            }
            if (!point)
                return -ENOENT;
            return unescape(point, strcspn(point, " "), ret_path);
        }
        line = *end ? end + 1 : NULL;
    }
    return -ENOENT;
}

int msp_cgroup_own(const char *text, char ret_path[PATH_MAX])
{
    for (const char *line = text; line && *line;) {
        const char *end = strchrnul(line, '\n');
        size_t len = (size_t)(end - line);

        if (strncmp(line, "0::", 3) == 0) {
            if (len - 3 >= PATH_MAX)
                return -ENAMETOOLONG;
            memcpy(ret_path, line + 3, len - 3);
            ret_path[len - 3] = '\0';
            return 0;
        }
        line = *end ? end + 1 : NULL;
    }
    return -ENOENT;
}

static int read_proc(const char *path, char **ret_text)
{
    msp_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t len;

    if (fd < 0)
        return -errno;
    return msp_io_slurp(fd, PROC_BYTES_MAX, ret_text, &len);
}

/* Absolute path of this process's own cgroup directory. */
static int own_path(char mount[PATH_MAX], char ret_own[PATH_MAX])
{
    msp_autofree char *mountinfo = NULL;
    msp_autofree char *cgroup = NULL;
    char relative[PATH_MAX];
    int n, r;

    r = read_proc("/proc/self/mountinfo", &mountinfo);
    if (r == 0)
        r = msp_cgroup_mount(mountinfo, mount);
    if (r == 0)
        r = read_proc("/proc/self/cgroup", &cgroup);
    if (r == 0)
        r = msp_cgroup_own(cgroup, relative);
    if (r < 0)
        return r;
    n = snprintf(ret_own, PATH_MAX, "%s%s", mount, relative);
    return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

int msp_cgroup_open(struct msp_cgroup *cgroup, const char *wanted,
                    const char **reterr_why)
{
    char mount[PATH_MAX], own[PATH_MAX];
    int r;

    cgroup->fd = -1;
    cgroup->mount_fd = -1;
    *reterr_why = "no cgroup v2 hierarchy is mounted";
    r = own_path(mount, own);
    if (r < 0)
        return r;
    *reterr_why = "the cgroup does not exist";
    if (!realpath(wanted ? wanted : mount, cgroup->path))
        return -errno;
    *reterr_why = "not a directory of the cgroup v2 hierarchy";
    if (!msp_cgroup_is_below(cgroup->path, mount))
        return -EINVAL;
    cgroup->is_root = msp_streq(cgroup->path, mount);
    *reterr_why = "mspd itself is outside of the cgroup";
    if (!msp_cgroup_is_below(own, cgroup->path))
        return -EXDEV;
    *reterr_why = "the cgroup cannot be opened";
    cgroup->mount_fd = open(mount, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (cgroup->mount_fd < 0)
        return -errno;
    cgroup->fd = open(cgroup->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return cgroup->fd < 0 ? -errno : 0;
}
