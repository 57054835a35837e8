/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Requests to mspd-netns for listeners: one at a time, first in first out, each
 * with a deadline; those for files are opens.h's. Its death is not survived:
 * `gone` is called and mspd exits.
 */
#pragma once

#include <stdint.h>

#include "daemon/child.h"
#include "daemon/opens.h"

/* @param r 0 or negative errno; fd owned by the callee, -1 on failure */
typedef void (*msp_netns_fn)(void *data, int r, int fd, uint64_t cookie,
                             uint16_t port);

struct msp_netns_request;

struct msp_netns_client {
    struct msp_child child;
    struct msp_netns_request *first; /* owned list; the first one is asked */
    struct msp_timer timer;
    uint32_t next_id;
    struct msp_opens opens;
    void (*gone)(void *data);
    void *data;
};

/* @param dir of the executable, borrowed */
int msp_netns_start(struct msp_netns_client *client, struct msp_loop *loop,
                    const char *dir, void (*gone)(void *data), void *data);
void msp_netns_done(struct msp_netns_client *client);

/* Gives it the map msp_own_sk. @return 0; negative errno */
int msp_netns_give_own_sk(struct msp_netns_client *client, int map_fd);
/* Sends the inotify descriptor that MSP_OPEN_WALK adds to. @return as above */
int msp_netns_give_watch(struct msp_netns_client *client, int inotify_fd);

struct msp_netns_want {
    const char *path; /* of a namespace file, borrowed; NULL: mspd's own */
    uint64_t cookie;  /* expected, 0 = any */
    uint16_t port;    /* better than the others, 0 = the first free one */
};

/* @return 0: fn will be called, perhaps was; negative errno: it will not */
int msp_netns_want(struct msp_netns_client *client,
                   const struct msp_netns_want *want, msp_netns_fn fn,
                   void *data);

/*
 * The same on any port.
 * @param path of a namespace file, NULL: mspd's own
 * @param expected netns cookie, 0 = any
 * @return 0: fn will be called; negative errno: it will not
 */
int msp_netns_ask(struct msp_netns_client *client, const char *path,
                  uint64_t expected, msp_netns_fn fn, void *data);
