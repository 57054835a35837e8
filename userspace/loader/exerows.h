/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * From what is known of executable files to the rows of msp_exe, and back.
 * Pure. A file that several paths name has one row. While one path names it
 * now, those that named it once do not count: a row has one time only, and no
 * process may keep a right by another path's. Fail closed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <msp/image.h>

#include "loader/rows.h"

/* A file that a path of the image names, or named until it was replaced. */
struct msp_exe_found {
    uint32_t path; /* index of MSP_SEC_EXES */
    uint32_t ctime_nsec;
    int64_t ctime_sec;
    struct msp_exe exe;
    uint64_t retired_ns; /* CLOCK_BOOTTIME; 0 = the path names it now */
    bool has_sha256;     /* else no identity that demands contents matches */
    uint8_t sha256[MSP_DIGEST_BYTES];
    /* in a container's root: identities that name it; NULL: in the host's */
    const struct msp_idset *inside; /* borrowed */
    uint64_t container;             /* whose root that is; 0: the host's */
    bool is_overlay;
};

struct msp_exe_entry {
    struct msp_exe key;
    struct msp_exe_row row;
    uint64_t container; /* whose file it is; 0: the host's, or not known */
};

/* Sorted by key, keys unique. */
struct msp_exe_rows {
    struct msp_exe_entry *entry; /* owned */
    size_t n;                    /* <= MSP_EXE_ROWS_MAX - MSP_EXES_MAX */
    size_t n_dropped;            /* for which there was no room */
    uint64_t crowded; /* a container that lacks one, with the most; 0: none */
    size_t n_crowded; /* that it lacks */
};

/*
 * Where there is no room for all, the host's files come first: current ones,
 * then the latest retired, up to half. Then those of containers, by turns, so
 * that one with many has no more than the others. Then the host's other ones.
 * @param resolved [identities] or NULL: not known, no identity is left out
 * @param wild the wildcard row of MSP_DIM_EXE
 * @param found [n] in any order
 * @param ret empty or filled before; emptied first
 * @return 0; -ENOMEM
 */
int msp_exe_rows_build(const struct msp_image *image,
                       const struct msp_resolved *resolved,
                       const struct msp_idset *wild,
                       const struct msp_exe_found *found, size_t n,
                       struct msp_exe_rows *ret);

/*
 * What rows of the same image say: which paths name which files. Contents are
 * known if an identity that demands them has its bit.
 * @param ret_found free()
 * @return 0; -ENOMEM
 */
int msp_exe_rows_read(const struct msp_image *image,
                      const struct msp_idset *wild,
                      const struct msp_exe_rows *rows,
                      struct msp_exe_found **ret_found, size_t *ret_n);

/* @return 0 to go on; else the end, returned by msp_exe_rows_diff */
typedef int (*msp_exe_put_fn)(void *data, const struct msp_exe_entry *entry);
typedef int (*msp_exe_drop_fn)(void *data, const struct msp_exe *key);

/*
 * What makes `now` of `before`; first all that is new or changed, so that a
 * file never lacks its row meanwhile.
 */
int msp_exe_rows_diff(const struct msp_exe_rows *before,
                      const struct msp_exe_rows *now, msp_exe_put_fn put,
                      msp_exe_drop_fn drop, void *data);

void msp_exe_rows_done(struct msp_exe_rows *rows);

int msp_exe_compare(const struct msp_exe *a, const struct msp_exe *b);
