/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * User and group names of an image, resolved by mspd-keeper: queries of at
 * most MSP_CHILD_NAMES_MAX names, one deadline for all of them.
 */
#pragma once

#include <msp/child.h>
#include <msp/image.h>

#include "daemon/child.h"
#include "loader/rows.h"

/*
 * @param r 0; -ETIMEDOUT; -EPIPE the keeper died; negative errno
 * @param resolved [identities], owned by the callee; NULL on failure
 */
typedef void (*msp_names_fn)(void *data, int r, struct msp_resolved *resolved);

struct msp_names {
    struct msp_child *keeper; /* borrowed */
    struct msp_timer timer;
    uint32_t id;                   /* of the query in flight */
    const struct msp_image *image; /* borrowed while asking; NULL = idle */
    struct msp_resolved *resolved; /* owned while asking */
    uint32_t next;                 /* identity to go on with */
    msp_names_fn fn;
    void *data;
    struct msp_child_names query;
    uint32_t identity[MSP_CHILD_NAMES_MAX]; /* of each name of the query */
};

void msp_names_init(struct msp_names *names, struct msp_loop *loop,
                    struct msp_child *keeper);

/*
 * Asks; calls fn before returning if the image has no names.
 * @param image must stay until fn was called
 * @return 0; -EBUSY one is in flight; -ENOMEM
 */
int msp_names_ask(struct msp_names *names, const struct msp_image *image,
                  msp_names_fn fn, void *data);

/* A packet of the keeper. @return 0; -EPROTO */
int msp_names_reply(struct msp_names *names,
                    const struct msp_child_names *reply);
/* The keeper died: what is in flight fails. */
void msp_names_keeper_gone(struct msp_names *names);
void msp_names_done(struct msp_names *names);
