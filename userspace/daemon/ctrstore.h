/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Registrations on disk, in the run directory, since they are worth nothing
 * after a boot: containers/ has what is in force, a file each, for the next
 * mspd; spool/ what was told while none was there. Believed are regular files
 * of root that nobody else may write.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct msp_ctr_store {
    int dir_fd;
    int spool_fd;
    int bad_fd; /* where files of the spool go that cannot be read */
};

/* Initialiser of a store that is not open. */
#define MSP_CTR_STORE_NONE \
    {                      \
        -1, -1, -1         \
    }

/* @return 0; -EPERM a directory is not root's; negative errno */
int msp_ctr_store_open(struct msp_ctr_store *store, int run_fd);
void msp_ctr_store_done(struct msp_ctr_store *store);

/* Whole or not at all. @return 0; negative errno */
int msp_ctr_store_put(const struct msp_ctr_store *store, uint64_t cgroup_id,
                      const void *text, size_t len);
void msp_ctr_store_drop(const struct msp_ctr_store *store, uint64_t cgroup_id);

/*
 * @param name of the file, for the two below
 * @param r 0; why it is not believed: negative errno, and no text
 */
typedef void (*msp_ctr_file_fn)(void *data, const char *name, int r,
                                const char *text, size_t len);

/* Every registration. Other files there are removed. @return 0; -errno */
int msp_ctr_store_each(const struct msp_ctr_store *store, msp_ctr_file_fn fn,
                       void *data);

/* Every file of the spool, oldest first, but those still being written, whose
 * names begin with a dot. @return 0; negative errno */
int msp_ctr_spool_each(const struct msp_ctr_store *store, msp_ctr_file_fn fn,
                       void *data);
void msp_ctr_spool_drop(const struct msp_ctr_store *store, const char *name);
/* Moves it aside, where a later one of its name replaces it. */
void msp_ctr_spool_reject(const struct msp_ctr_store *store, const char *name);
