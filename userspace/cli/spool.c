/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "cli/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <msp/cleanup.h>
#include <msp/container.h>

#include "base/io.h"
#include "base/rec.h"
#include "cli/proc.h"

static void close_dir(DIR **dir)
{
    if (*dir)
        (void)closedir(*dir);
}

static int make_dir(const char *dir)
{
    const char *slash = strrchr(dir, '/');
    char parent[PATH_MAX];

    if (mkdir(dir, 0700) == 0 || errno == EEXIST)
        return 0;
    if (errno != ENOENT || !slash || slash == dir ||
        (size_t)(slash - dir) >= sizeof(parent))
        return -errno;
    (void)snprintf(parent, sizeof(parent), "%.*s", (int)(slash - dir), dir);
    if (mkdir(parent, 0755) < 0 && errno != EEXIST)
        return -errno;
    return mkdir(dir, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

/* @return descriptor; -EPERM somebody else could put files there */
static int open_dir(const char *dir)
{
    msp_autoclose int fd = -1;
    struct stat st;

    fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (st.st_uid != geteuid() || (st.st_mode & 077) != 0)
        return -EPERM;
    return TAKE_FD(fd);
}

static int for_each(int dir_fd,
                    int (*fn)(int dir_fd, const char *name, void *data),
                    void *data)
{
    msp_cleanup(close_dir) DIR *dir = NULL;
    const struct dirent *entry;
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        int r = -errno;

        msp_closep(&fd);
        return r;
    }
    while ((entry = readdir(dir))) {
        int r = entry->d_name[0] == '.' ? 0 : fn(dir_fd, entry->d_name, data);

        if (r < 0)
            return r;
    }
    return 0;
}

/* --- to leave one ----------------------------------------------------------- */

static int count(int dir_fd, const char *name, void *data)
{
    size_t *n = data;

    (void)dir_fd;
    (void)name;
    return ++*n >= MSP_CONTAINER_SPOOLED_MAX ? -EDQUOT : 0;
}

static int write_file(int dir_fd, const char *name, const void *data,
                      size_t len)
{
    msp_autoclose int fd =
        openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int r;

    if (fd < 0)
        return -errno;
    r = msp_io_write_full(fd, data, len);
    if (r < 0)
        return r;
    return fsync(fd) < 0 ? -errno : 0;
}

int msp_spool_write(const char *dir, uint64_t cgroup_id, const void *record,
                    size_t len)
{
    msp_autoclose int fd = -1;
    char name[32], temp[64];
    size_t n = 0;
    int r = make_dir(dir);

    if (r < 0)
        return r;
    fd = open_dir(dir);
    if (fd < 0)
        return fd;
    r = for_each(fd, count, &n);
    if (r < 0)
        return r;
    (void)snprintf(name, sizeof(name), "%016" PRIx64, cgroup_id);
    (void)snprintf(temp, sizeof(temp), ".%s.%d", name, (int)getpid());
    /* Of a hook that was killed, long ago: it had our pid. */
    (void)unlinkat(fd, temp, 0);
    r = write_file(fd, temp, record, len);
    if (r == 0 && renameat(fd, temp, fd, name) < 0)
        r = -errno;
    if (r < 0) {
        (void)unlinkat(fd, temp, 0);
        return r;
    }
    return fsync(fd) < 0 ? -errno : 0;
}

/* --- to take them back ------------------------------------------------------ */

/* @return whether it has this id, and its cgroup, which its name is the id of,
 * has no process */
static bool is_ended(const char *name, char *text, size_t len, const char *id)
{
    const char *end = text + len, *cgroup = NULL;
    struct msp_rec_field field;
    char *cursor = text;
    bool is_its = false;

    while (msp_rec_next(&cursor, end, &field) == MSP_REC_FIELD) {
        if (field.type == 's' && msp_streq(field.name, "id"))
            is_its = msp_streq(field.value, id);
        else if (field.type == 's' && msp_streq(field.name, "cgroup"))
            cgroup = field.value;
    }
    return is_its && !(cgroup && msp_proc_cgroup_is_populated(
                                     cgroup, strtoull(name, NULL, 16)));
}

/* What cannot be read is left for mspd to complain of. */
static int forget(int dir_fd, const char *name, void *data)
{
    msp_autofree char *text = NULL;
    size_t len = 0;
    msp_autoclose int fd =
        openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0 || msp_io_slurp(fd, MSP_CONTAINER_RECORD_MAX, &text, &len) < 0 ||
        !is_ended(name, text, len, data))
        return 0;
    return unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

int msp_spool_forget(const char *dir, const char *id)
{
    union {
        const char *in;
        void *out;
    } data = {.in = id};

    msp_autoclose int fd = open_dir(dir);

    if (fd < 0)
        return fd == -ENOENT ? 0 : fd;
    return for_each(fd, forget, data.out);
}
