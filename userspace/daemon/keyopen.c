/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/keyopen.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <msp/cleanup.h>

const char *msp_keyopen_fault(const struct stat *st)
{
    if (!S_ISREG(st->st_mode))
        return "it is not a regular file";
    if (st->st_uid != 0)
        return "its owner is not root";
    if (st->st_mode & 022)
        return "its mode lets others than root write it";
    return NULL;
}

/*
 * Where it may not be opened: mspd reads what root may, without exception, and
 * so not what is another user's alone.
 */
static const char *fault_of_path(const char *path)
{
    msp_autoclose int fd = open(path, O_PATH | O_CLOEXEC);
    struct stat st;

    return fd < 0 || fstat(fd, &st) < 0 ? NULL : msp_keyopen_fault(&st);
}

int msp_keyopen(const char *path, bool *ret_is_readable,
                const char **reterr_why)
{
    msp_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    const char *why;
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0) {
        int r = -errno;

        why = r == -EACCES ? fault_of_path(path) : NULL;
        *reterr_why = why ? why : strerror(-r);
        return r;
    }
    why = msp_keyopen_fault(&st);
    if (why) {
        /* fail closed: whoever can write it decides what we sign with */
        *reterr_why = why;
        return -EPERM;
    }
    *ret_is_readable = st.st_mode & 044;
    return TAKE_FD(fd);
}
