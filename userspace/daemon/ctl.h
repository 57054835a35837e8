/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The control socket: frames in, frames out, one request a connection, uid 0
 * only. Not what requests mean (commands.h).
 */
#pragma once

#include <stdint.h>

#include <msp/ctl.h>

#include "base/loop.h"
#include "base/rec.h"

struct msp_ctl_client;

/*
 * A whole request of the right version. Must call msp_ctl_reply exactly once,
 * now or later, unless the client goes away first.
 * @param payload [len] owned by the callee, malloc'ed
 */
typedef void (*msp_ctl_fn)(void *data, struct msp_ctl_client *client,
                           enum msp_ctl_type type, char *payload, size_t len);

struct msp_ctl {
    int fd;
    struct msp_loop *loop;
    struct msp_source source;
    struct msp_ctl_client *client[MSP_CTL_CLIENTS_MAX];
    msp_ctl_fn fn;
    void *data;
};

/*
 * Listens at <run_dir>/control.sock, mode 0600.
 * @return 0; negative errno
 */
int msp_ctl_open(struct msp_ctl *ctl, struct msp_loop *loop, int run_fd,
                 msp_ctl_fn fn, void *data);
void msp_ctl_done(struct msp_ctl *ctl);

/*
 * @param client may have gone: then nothing happens
 * @param rec the payload, taken over; an error in it becomes INTERNAL
 */
void msp_ctl_reply(struct msp_ctl *ctl, const struct msp_ctl_client *client,
                   uint64_t serial, enum msp_ctl_status status,
                   struct msp_rec *rec);

/* Number that tells a client from a later one at the same address. */
uint64_t msp_ctl_serial(const struct msp_ctl_client *client);
