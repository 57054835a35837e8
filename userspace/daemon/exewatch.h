/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Directories watched for what happens to their entries. They are given as
 * descriptors: no path is walked here, so no file system can hold mspd up.
 */
#pragma once

#include <stddef.h>

#include "base/loop.h"

/*
 * @param wd the directory; -1: events were lost, anything may have happened
 * @param name of the entry; NULL: the directory itself moved or went, `wd` is
 *        to be dropped
 */
typedef void (*msp_exewatch_fn)(void *data, int wd, const char *name);

struct msp_exewatch_dir {
    int wd;
    unsigned int n; /* who watch it */
};

struct msp_exewatch {
    int fd;
    struct msp_source source;
    struct msp_exewatch_dir *dir; /* owned; [n_dirs] */
    size_t n_dirs;
    msp_exewatch_fn fn;
    void *data;
};

/* @return 0; negative errno */
int msp_exewatch_open(struct msp_exewatch *watch, struct msp_loop *loop,
                      msp_exewatch_fn fn, void *data);
void msp_exewatch_done(struct msp_exewatch *watch);

/*
 * Watches a directory, or counts one more who does.
 * @param dir_fd may be O_PATH; not kept
 * @return its wd, the same for the same directory; negative errno
 */
int msp_exewatch_add(struct msp_exewatch *watch, int dir_fd);
/* One more who watches a wd that another one has. */
void msp_exewatch_share(struct msp_exewatch *watch, int wd);
void msp_exewatch_drop(struct msp_exewatch *watch, int wd);
