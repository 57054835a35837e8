/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Directories watched for what happens to their entries. mspd walks no path:
 * mspd-netns walks and adds each directory of the way to our inotify descriptor
 * (a walk, with a number); here they are counted, and dropped when nobody needs
 * them. What happens between the walk and its answer is not lost: of every name
 * it is kept during which walk something happened to it last.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <msp/limits.h>

#include "base/loop.h"

enum {
    MSP_EXEWATCH_ITSELF = 0, /* as a name: the directory itself */
    MSP_EXEWATCH_SEEN = 4096 /* a power of two */
};

/*
 * @param wd the directory; -1: events were lost, anything may have happened
 * @param name hash of the entry's, MSP_EXEWATCH_ITSELF: the directory itself
 *        moved or went
 */
typedef void (*msp_exewatch_fn)(void *data, int wd, uint64_t name);

struct msp_exewatch_dir {
    int wd;
    uint32_t n;    /* who need it */
    uint32_t idle; /* n = 0: walks up to this one may have found it */
};

struct msp_exewatch {
    int fd; /* lent to mspd-netns */
    struct msp_source source;
    struct msp_timer pause;
    struct msp_exewatch_dir *dir; /* owned; [n_dirs] by wd */
    size_t n_dirs;
    size_t n_idle;
    uint32_t walk;                     /* number of the last one */
    uint32_t under_way[MSP_OPENS_MAX]; /* 0 = none */
    uint32_t lost;                     /* events were, during this walk */
    uint32_t seen[MSP_EXEWATCH_SEEN];  /* by hash of directory and name */
    msp_exewatch_fn fn;
    void *data;
};

/* @return 0; negative errno */
int msp_exewatch_open(struct msp_exewatch *watch, struct msp_loop *loop,
                      msp_exewatch_fn fn, void *data);
void msp_exewatch_done(struct msp_exewatch *watch);

/*
 * A walk begins, which may add directories.
 * @return its number, never 0; to be ended. At most MSP_OPENS_MAX at once.
 */
uint32_t msp_exewatch_begin(struct msp_exewatch *watch);
void msp_exewatch_end(struct msp_exewatch *watch, uint32_t walk);
/* Whether something may have happened to this name since a walk began. */
bool msp_exewatch_saw(const struct msp_exewatch *watch, uint32_t walk, int wd,
                      uint64_t name);

/*
 * One more who needs a directory that a walk, not ended yet, has added.
 * @return 0; -EDQUOT MSP_EXE_WATCHES_MAX are watched; -ENOMEM
 */
int msp_exewatch_hold(struct msp_exewatch *watch, int wd);
void msp_exewatch_drop(struct msp_exewatch *watch, int wd);

/* Hash of a text, never 0. */
uint64_t msp_exewatch_hash(const char *text);
