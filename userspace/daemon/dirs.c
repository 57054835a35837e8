/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/dirs.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/fsuid.h>
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

    *dirs = MSP_DIRS_NONE;
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

/* Made with the keeper's group, for to give it away takes CAP_CHOWN. */
static int open_store(int state_fd, gid_t gid, int *ret_fd)
{
    msp_autoclose int fd = -1;
    struct stat st;
    int r;

    (void)setfsgid(gid);
    r = mkdirat(state_fd, "keys", 0770) < 0 ? -errno : 0;
    (void)setfsgid(getegid());
    if (r < 0 && r != -EEXIST)
        return r;
    fd = openat(state_fd, "keys",
                O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    /* fail closed: others could put a key there */
    if (st.st_uid != 0 || st.st_gid != gid)
        return -EPERM;
    if (fchmod(fd, 0770) < 0)
        return -errno;
    *ret_fd = TAKE_FD(fd);
    return 0;
}

int msp_dirs_open_keys(struct msp_dirs *dirs, const struct msp_opts *opts,
                       uint32_t keeper_gid, const char **reterr_what)
{
    int r;

    *reterr_what = "keys of the state directory: not root's with the keeper's "
                   "group";
    r = open_store(dirs->state_fd, keeper_gid, &dirs->keys_fd);
    if (r < 0 || !opts->adopt_keys)
        return r;
    *reterr_what = opts->adopt_keys;
    dirs->adopt_fd = open(opts->adopt_keys, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* another agent need never have been here */
    return dirs->adopt_fd < 0 && errno != ENOENT ? -errno : 0;
}

void msp_dirs_done(struct msp_dirs *dirs)
{
    msp_closep(&dirs->run_fd);
    msp_closep(&dirs->state_fd);
    msp_closep(&dirs->log_fd);
    msp_closep(&dirs->lock_fd);
    msp_closep(&dirs->keys_fd);
    msp_closep(&dirs->adopt_fd);
    *dirs = MSP_DIRS_NONE;
}

/* One file, as its directory is to have it. */
struct file {
    const char *name;
    const void *data;
    size_t len;
    mode_t mode;
    bool is_durable; /* on disk when that is said */
};

static int write_temp(int dir_fd, const char *temp, const struct file *file)
{
    msp_autoclose int fd = -1;
    int r;

    /* one that is there is left over, or no file of ours */
    if (unlinkat(dir_fd, temp, 0) < 0 && errno != ENOENT)
        return -errno;
    fd = openat(dir_fd, temp,
                O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    r = msp_io_write_full(fd, file->data, file->len);
    if (r == 0 && fchmod(fd, file->mode) < 0)
        r = -errno;
    if (r == 0 && file->is_durable && fsync(fd) < 0)
        r = -errno;
    return r;
}

static int put(int dir_fd, const struct file *file)
{
    char temp[64];
    int r;

    (void)snprintf(temp, sizeof(temp), "%s.new", file->name);
    r = write_temp(dir_fd, temp, file);
    if (r == 0 && renameat(dir_fd, temp, dir_fd, file->name) < 0)
        r = -errno;
    if (r < 0) {
        (void)unlinkat(dir_fd, temp, 0);
        return r;
    }
    return file->is_durable && fsync(dir_fd) < 0 ? -errno : 0;
}

int msp_dirs_replace(int dir_fd, const char *name, mode_t mode,
                     const void *data, size_t len)
{
    const struct file file = {name, data, len, mode, false};

    return put(dir_fd, &file);
}

int msp_dirs_store(int dir_fd, const char *name, const void *data, size_t len)
{
    const struct file file = {name, data, len, 0600, true};

    return put(dir_fd, &file);
}

/* @param mode of one that is made */
static int open_report(const char *path, mode_t mode, int *ret_fd)
{
    msp_autoclose int fd = -1;
    struct stat st;

    if (mkdir(path, mode) < 0 && errno != EEXIST)
        return -errno;
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    /* fail closed: others could put there what looks like ours */
    if (st.st_uid != 0 || (st.st_mode & 022))
        return -EPERM;
    *ret_fd = TAKE_FD(fd);
    return 0;
}

int msp_dirs_open_public(const char *path, int *ret_fd)
{
    return open_report(path, 0755, ret_fd);
}

int msp_dirs_open_private(const char *path, int *ret_fd)
{
    return open_report(path, 0700, ret_fd);
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
