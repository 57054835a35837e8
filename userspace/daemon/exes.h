/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The executable files of the policy: asked for, watched, looked at again, so
 * that the rows of the live slot name what the paths name now. It knows neither
 * slots nor rows: policy.h makes those of what msp_exes_found says. Logs when a
 * path comes to name another file or none.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <msp/image.h>

#include "daemon/exefile.h"
#include "daemon/exemounts.h"
#include "daemon/exewatch.h"
#include "daemon/opens.h"
#include "loader/exerows.h"

/* The outside; tests play it. */
struct msp_exes_ops {
    /* As msp_opens_ask of the host's root. */
    int (*open)(void *data, const char *path, uint32_t flags, msp_open_fn fn,
                void *fn_data);
    /*
     * What the kernel says of own descriptors, at one moment.
     * @param ret [n]; ret[i].fd is fd[i] where it is known
     * @return 0; negative errno
     */
    int (*facts)(void *data, const int *fd, size_t n,
                 struct msp_file_fact *ret);
    /* Calls fn for the file of each exec record. @return 0; negative errno */
    int (*running)(void *data,
                   void (*fn)(void *fn_data, const struct msp_exe *exe),
                   void *fn_data);
    /* The contents of a file are known now. */
    void (*hashed)(void *data, const struct msp_exe_file *file);
    /* What msp_exes_found says of the live image has changed. */
    void (*changed)(void *data);
};

struct msp_exes_item;

/* An answer of which the kernel's view is still to be asked. */
struct msp_exes_arrival {
    struct msp_exes_item *item;
    int fd; /* owned */
    uint32_t flags;
    uint8_t sha256[MSP_DIGEST_BYTES];
};

struct msp_exes {
    struct msp_loop *loop;
    const struct msp_exes_ops *ops;
    void *data;
    struct msp_exewatch watch;
    struct msp_exemounts mounts;
    struct msp_exes_item **item; /* owned; [n], sorted by path */
    size_t n;
    struct msp_exes_item *orphans; /* owned; dropped while asked for */
    size_t n_asked;                /* outstanding, */
    size_t n_asked_slow;           /* of which may take long */
    struct msp_exes_arrival arrival[MSP_OPENS_MAX];
    size_t n_arrivals;
    struct msp_timer arrived; /* asks for their facts, all at once */
    struct msp_timer tick;    /* the next item is due */
    struct msp_timer wait;    /* prepare waits no longer */
    struct msp_timer collect;
    struct msp_timer hold; /* changes wait no longer for each other */
    bool is_changed;
    void (*prepared)(void *data); /* NULL: nobody waits */
    void *prepared_data;
    struct path_of *index; /* owned; by file, for the log */
    size_t n_index;
    bool is_indexed;
    struct msp_exes_ref *ref; /* owned; [n_refs] items by what happens */
    size_t n_refs;
    bool is_ref_known;
};

int msp_exes_init(struct msp_exes *exes, struct msp_loop *loop,
                  const struct msp_exes_ops *ops, void *data);
void msp_exes_done(struct msp_exes *exes);

/*
 * Looks at the files of an image that may come into force. One at a time.
 * @param fn called once, perhaps before this returns: all were answered, or
 *        MSP_EXES_WAIT_MS are over; NULL: nobody waits
 * @return 0; -ENOMEM: fn is not called
 */
int msp_exes_prepare(struct msp_exes *exes, const struct msp_image *image,
                     void (*fn)(void *data), void *data);
/* Forgets what was prepared, or makes it live and forgets what was. */
void msp_exes_abandon(struct msp_exes *exes);
void msp_exes_commit(struct msp_exes *exes);

/*
 * Before anything was asked: what rows of an earlier mspd say of the prepared
 * image. @return 0; -ENOMEM
 */
int msp_exes_recall(struct msp_exes *exes, const struct msp_image *image,
                    const struct msp_exe_found *found, size_t n);

/*
 * The files that paths of an image name, and those that they named.
 * @param ret_found free()
 * @return 0; -ENOMEM
 */
int msp_exes_found(const struct msp_exes *exes, const struct msp_image *image,
                   struct msp_exe_found **ret_found, size_t *ret_n);

/* Of a path of the live or the prepared image; NULL: of neither. */
const struct msp_exe_file *msp_exes_file(const struct msp_exes *exes,
                                         const char *path);

/*
 * The path of a file, without links, as it was when the file was found; for
 * the log. Borrowed until the loop goes on.
 * @return NULL: not a file of the policy
 */
const char *msp_exes_path(const struct msp_exes *exes,
                          const struct msp_exe *exe);

/* Paths that name a file. */
size_t msp_exes_current(const struct msp_exes *exes);
/* Files that paths named and processes may still run. */
size_t msp_exes_retired(const struct msp_exes *exes);
/* Paths with a directory that is not watched: looked at every now and then. */
size_t msp_exes_unwatched(const struct msp_exes *exes);
/* Why changes may be noticed late, static; "": they are not. */
const char *msp_exes_blind(const struct msp_exes *exes);
