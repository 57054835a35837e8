/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The daemon's own directories, opened while it still is full root, and files
 * in them that must be whole or absent.
 */
#pragma once

#include <stddef.h>

#include "daemon/opts.h"

struct msp_dirs {
    int run_fd;   /* 0755 */
    int state_fd; /* 0700 */
    int log_fd;   /* 0750 */
    int lock_fd;  /* flock on <run>/lock */
};

/*
 * Makes and opens them, takes the lock.
 * @param reterr_what the path that failed, borrowed from opts
 * @return 0; -EEXIST another mspd lives; negative errno
 */
int msp_dirs_open(struct msp_dirs *dirs, const struct msp_opts *opts,
                  const char **reterr_what);
void msp_dirs_done(struct msp_dirs *dirs);

/* Writes <name> by a temporary file, fsync of file and directory, rename. */
int msp_dirs_store(int dir_fd, const char *name, const void *data, size_t len);

/*
 * Reads <name>.
 * @param ret_data [ret_len] plus NUL; free()
 * @return 0; -ENOENT; -EFBIG; negative errno
 */
int msp_dirs_read(int dir_fd, const char *name, size_t max, char **ret_data,
                  size_t *ret_len);
