/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Tells when /etc/passwd or /etc/group was replaced or written. */
#pragma once

#include "base/loop.h"

struct msp_watch {
    int fd;
    struct msp_source source;
    struct msp_timer settle; /* several changes make one call */
    void (*fn)(void *data);
    void *data;
};

/* @return 0; negative errno */
int msp_watch_open(struct msp_watch *watch, struct msp_loop *loop,
                   const char *dir, void (*fn)(void *data), void *data);
void msp_watch_done(struct msp_watch *watch);
