/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Tells when files of a directory were replaced or written. */
#pragma once

#include "base/loop.h"

struct msp_watch {
    int fd;
    struct msp_source source;
    struct msp_timer settle;  /* several changes make one call */
    const char *const *names; /* borrowed; NULL: all but those with a dot */
    void (*fn)(void *data);
    void *data;
};

/*
 * @param names of the files that matter, then NULL; or NULL: all of the
 *        directory but those whose names begin with a dot
 * @return 0; negative errno
 */
int msp_watch_open(struct msp_watch *watch, struct msp_loop *loop,
                   const char *dir, const char *const *names,
                   void (*fn)(void *data), void *data);
void msp_watch_done(struct msp_watch *watch);
