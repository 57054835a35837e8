/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A file that lines are added to, bounded: at its size it becomes NAME.1, that
 * one NAME.2 and so on, and the last one goes.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct msp_logfile {
    int dir_fd;         /* borrowed */
    const char *name;   /* borrowed */
    uint64_t max_bytes; /* then rotated */
    int n_kept;         /* besides the current one, 1 at least */
    int fd;             /* -1 = not open */
    uint64_t n_bytes;
};

/* Opens it, again if it is open. @return 0; -EINVAL no regular file; -errno */
int msp_logfile_open(struct msp_logfile *file);
/* Adds a line. @return 0; -EBADF not open; negative errno: nothing of it is in */
int msp_logfile_add(struct msp_logfile *file, const void *data, size_t len);
void msp_logfile_done(struct msp_logfile *file);
