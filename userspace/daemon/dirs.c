/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/dirs.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <msp/cleanup.h>

#include "base/io.h"

/* A directory of root that nobody else may write. */
static int open_dir(const char *path, mode_t mode, int *ret_fd)
{
    msp_autoclose int fd = -1;
    struct stat st;

    if (mkdir(path, mode) < 0 && errno != EEXIST)
        return -errno;
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (st.st_uid != 0)
        return -EPERM;
    if (fchmod(fd, mode) < 0)
        return -errno;
    *ret_fd = TAKE_FD(fd);
    return 0;
}

static int take_lock(int run_fd, int *ret_fd)
{
    msp_autoclose int fd = -1;

    fd =
        openat(run_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? -EEXIST : -errno;
    *ret_fd = TAKE_FD(fd);
    return 0;
}

int msp_dirs_open(struct msp_dirs *dirs, const struct msp_opts *opts,
                  const char **reterr_what)
{
    const struct {
        const char *path;
        mode_t mode;
        int *fd;
    } rows[] = {
        {opts->run_dir, 0755, &dirs->run_fd},
        {opts->state_dir, 0700, &dirs->state_fd},
        {opts->log_dir, 0750, &dirs->log_fd},
    };

    int r;

    *dirs = (struct msp_dirs){-1, -1, -1, -1};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        r = open_dir(rows[i].path, rows[i].mode, rows[i].fd);
        if (r < 0) {
            *reterr_what = rows[i].path;
            return r;
        }
    }
    *reterr_what = opts->run_dir;
    return take_lock(dirs->run_fd, &dirs->lock_fd);
}

void msp_dirs_done(struct msp_dirs *dirs)
{
    msp_closep(&dirs->run_fd);
    msp_closep(&dirs->state_fd);
    msp_closep(&dirs->log_fd);
    msp_closep(&dirs->lock_fd);
    *dirs = (struct msp_dirs){-1, -1, -1, -1};
}

int msp_dirs_store(int dir_fd, const char *name, const void *data, size_t len)
{
    msp_autoclose int fd = -1;
    char temp[64];
    int r;

    (void)snprintf(temp, sizeof(temp), "%s.new", name);
    fd = openat(dir_fd, temp,
                O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    r = msp_io_write_full(fd, data, len);
    if (r < 0)
        return r;
    if (fsync(fd) < 0 || renameat(dir_fd, temp, dir_fd, name) < 0 ||
        fsync(dir_fd) < 0)
        return -errno;
    return 0;
}

int msp_dirs_read(int dir_fd, const char *name, size_t max, char **ret_data,
                  size_t *ret_len)
{
    msp_autoclose int fd =
        openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0)
        return -errno;
    return msp_io_slurp(fd, max, ret_data, ret_len);
}
