/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The daemon's own directories, opened while it still is full root, and files
 * in them that must be whole or absent.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/opts.h"

struct msp_dirs {
    int run_fd;   /* 0755 */
    int state_fd; /* 0700 */
    int log_fd;   /* 0750 */
    int lock_fd;  /* flock on <run>/lock */
    int keys_fd;  /* <state>/keys, 0770 of the keeper's group; -1 = none */
    int adopt_fd; /* of --adopt-keys; -1 = none */
};

#define MSP_DIRS_NONE ((struct msp_dirs){-1, -1, -1, -1, -1, -1})

/*
 * Makes and opens them, takes the lock.
 * @param reterr_what the path that failed, borrowed from opts
 * @return 0; -EEXIST another mspd lives; negative errno
 */
int msp_dirs_open(struct msp_dirs *dirs, const struct msp_opts *opts,
                  const char **reterr_what);
/*
 * Opens what the secure channel needs: the key store, which the keeper works
 * in, and the directory of --adopt-keys, if there is one.
 * @param keeper_gid the group that may write the key store
 * @return 0; -EPERM the key store is not root's and this group's; -errno
 */
int msp_dirs_open_keys(struct msp_dirs *dirs, const struct msp_opts *opts,
                       uint32_t keeper_gid, const char **reterr_what);
void msp_dirs_done(struct msp_dirs *dirs);

/*
 * Writes <name> by a temporary file <name>.new and rename; no link is followed,
 * and what fails leaves what was there. Does not wait for the disk, which
 * containers may keep busy: a crash of the kernel may undo it.
 * @return 0; negative errno
 */
int msp_dirs_replace(int dir_fd, const char *name, mode_t mode,
                     const void *data, size_t len);
/* The same with mode 0600, and waits: it outlives a crash. */
int msp_dirs_store(int dir_fd, const char *name, const void *data, size_t len);

/*
 * Opens, and makes if need be, a directory that others read, its last name no
 * link. @return 0; -EPERM not root's alone to write; negative errno
 */
int msp_dirs_open_public(const char *path, int *ret_fd);
/* The same of one that others do not read. */
int msp_dirs_open_private(const char *path, int *ret_fd);

/*
 * Reads <name>.
 * @param ret_data [ret_len] plus NUL; free()
 * @return 0; -ENOENT; -EFBIG; negative errno
 */
int msp_dirs_read(int dir_fd, const char *name, size_t max, char **ret_data,
                  size_t *ret_len);
