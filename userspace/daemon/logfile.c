/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include <msp/cleanup.h>

int msp_logfile_open(struct msp_logfile *file)
{
    msp_autoclose int fd = -1;
    struct stat st;

    /* what is no file could hold up who opens it, or who writes */
    fd = openat(file->dir_fd, file->name,
                O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW |
                    O_NONBLOCK,
                0640);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    msp_logfile_done(file);
    file->fd = TAKE_FD(fd);
    file->n_bytes = (uint64_t)st.st_size;
    return 0;
}

void msp_logfile_done(struct msp_logfile *file)
{
    msp_closep(&file->fd);
    file->fd = -1;
}

static void name_of(const struct msp_logfile *file, int i, char ret[96])
{
    if (i)
        (void)snprintf(ret, 96, "%s.%d", file->name, i);
    else
        (void)snprintf(ret, 96, "%s", file->name);
}

static void rotate(struct msp_logfile *file)
{
    char from[96], to[96];
    int error = 0;

    if (file->n_bytes < file->max_bytes)
        return;
    for (int i = file->n_kept; i > 0; i--) {
        name_of(file, i - 1, from);
        name_of(file, i, to);
        error = renameat(file->dir_fd, from, file->dir_fd, to) < 0 ? errno : 0;
    }
    /* also where somebody has taken the file away: what has no name grows */
    if ((error == 0 || error == ENOENT) && msp_logfile_open(file) < 0)
        msp_logfile_done(file); /* the next line opens it */
}

/* A line that found no room leaves no half of it. */
static int write_line(int fd, const char *line, size_t len)
{
    size_t done = 0;
    struct stat st;

    while (done < len) {
        ssize_t n = write(fd, line + done, len - done);
        int r = n < 0 ? -errno : 0;

        if (r == -EINTR)
            continue;
        if (r < 0 && done && fstat(fd, &st) == 0 &&
            ftruncate(fd, st.st_size - (off_t)done) < 0)
            r = -errno;
        if (r < 0)
            return r;
        done += (size_t)n;
    }
    return 0;
}

int msp_logfile_add(struct msp_logfile *file, const void *data, size_t len)
{
    int r = file->fd < 0 ? msp_logfile_open(file) : 0;

    if (r == 0)
        r = write_line(file->fd, data, len);
    if (r < 0)
        return r; /* those that are kept stay where they are */
    file->n_bytes += len;
    rotate(file);
    return 0;
}
