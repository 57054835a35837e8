/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <msp/cleanup.h>

static int read_all(int fd, size_t max, char **ret_data, size_t *ret_len)
{
    msp_autofree char *data = NULL;
    size_t len = 0, cap = 0;

    for (;;) {
        ssize_t n;

        if (len == cap) {
            size_t more = cap ? 2 * cap : 65536;
            char *grown;

            if (more > max + 1)
                more = max + 1;
            if (more == cap)
                break;
            grown = realloc(data, more);
            if (!grown)
                return -ENOMEM;
            data = grown;
            cap = more;
        }
        n = read(fd, data + len, cap - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        len += (size_t)n;
    }
    *ret_data = TAKE_PTR(data);
    *ret_len = len;
    return 0;
}

int msp_file_read(const char *path, size_t max, char **ret_data,
                  size_t *ret_len)
{
    msp_autoclose int fd = -1;

    if (msp_streq(path, "-"))
        return read_all(STDIN_FILENO, max, ret_data, ret_len);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return -errno;
    return read_all(fd, max, ret_data, ret_len);
}

static int write_all(int fd, const void *data, size_t len)
{
    const char *at = data;

    while (len > 0) {
        ssize_t n = write(fd, at, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

static int write_temp(int fd, const void *data, size_t len)
{
    mode_t mask = umask(0);
    int r;

    (void)umask(mask);
    r = write_all(fd, data, len);
    if (r < 0)
        return r;
    if (fchmod(fd, 0644 & ~mask) < 0 || fsync(fd) < 0)
        return -errno;
    return 0;
}

int msp_file_write(const char *path, const void *data, size_t len)
{
    msp_autofree char *temp = NULL;
    msp_autoclose int fd = -1;
    struct stat st;
    int r;

    if (msp_streq(path, "-"))
        return write_all(STDOUT_FILENO, data, len);
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return -EEXIST;
    if (asprintf(&temp, "%s.XXXXXX", path) < 0) {
        temp = NULL;
        return -ENOMEM;
    }
    fd = mkostemp(temp, O_CLOEXEC);
    if (fd < 0)
        return -errno;
    r = write_temp(fd, data, len);
    if (r == 0 && rename(temp, path) < 0)
        r = -errno;
    if (r < 0)
        (void)unlink(temp);
    return r;
}
