/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The mounts mspd sees: inotify does not tell of them, the kernel wakes who
 * polls their table. Kept as hashes, since a container host has thousands.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"

struct msp_exemount {
    uint64_t point; /* msp_exewatch_hash of the mount point */
    uint64_t line;  /* of all its line says */
};

/*
 * @param point [n] sorted: mount points at which a mount came or went; n = 0:
 *        something did, but the table says the same as before; NULL: it could
 *        not be read, anything may have changed
 */
typedef void (*msp_exemounts_fn)(void *data, const uint64_t *point, size_t n);

struct msp_exemounts {
    int fd;
    int error; /* negative errno: the table cannot be watched; 0 it is */
    struct msp_source source;
    struct msp_timer timer;     /* it is read then */
    uint64_t read_ms;           /* it was */
    struct msp_exemount *mount; /* owned; [n] sorted */
    size_t n;
    msp_exemounts_fn fn;
    void *data;
};

/* Reads it once. Never fails: `error` says what cannot be had. */
void msp_exemounts_open(struct msp_exemounts *mounts, struct msp_loop *loop,
                        msp_exemounts_fn fn, void *data);
void msp_exemounts_done(struct msp_exemounts *mounts);

/* Whether something is mounted at a point, given by its hash. */
bool msp_exemounts_has(const struct msp_exemounts *mounts, uint64_t point);

/* --- pure --------------------------------------------------------------- */

/*
 * @param text of /proc/PID/mountinfo; changed
 * @param ret free(); [ret_n] sorted
 * @return 0; -ENOMEM; -EBADMSG a line has no mount point
 */
int msp_exemounts_parse(char *text, struct msp_exemount **ret, size_t *ret_n);

/*
 * Points of mounts that only one of two tables has, each once.
 * @param ret_point [n + n_other]
 * @return how many
 */
size_t msp_exemounts_compare(const struct msp_exemount *mount, size_t n,
                             const struct msp_exemount *other, size_t n_other,
                             uint64_t *ret_point);
