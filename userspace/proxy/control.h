/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The socket pair to mspd: listeners and keys come in, finished requests go
 * out, many at a time and at most MSP_LOG_FLUSH_MS later. A fault of the
 * protocol, or mspd's end, closes it; the worker serves on with what it has
 * until the agent epoch changes.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <msp/child.h>

#include "base/loop.h"

struct msp_key;
struct msp_worker;

struct msp_control {
    struct msp_worker *worker; /* borrowed; NULL: it has gone */
    struct msp_key *key;       /* borrowed */
    struct msp_source source;
    int fd; /* -1 = mspd is gone */
    struct msp_timer flush;
    size_t n_records; /* not sent, in */
    size_t len;
    uint8_t records[MSP_CHILD_LOG_BYTES]; /* [len] base/finished.h */
};

/*
 * Registers the socket. @param fd taken over. Log lines: see control.c.
 * @return 0; negative errno
 */
int msp_control_open(struct msp_control *control, struct msp_loop *loop,
                     int fd);
/* Sends what it holds, then closes. */
void msp_control_done(struct msp_control *control);

/* Tells mspd that we accept. @return 0; negative errno */
int msp_control_ready(struct msp_control *control);

/* Asks for another listener. @return 0; -EPIPE no mspd; negative errno */
int msp_control_lost(struct msp_control *control, uint64_t netns_cookie,
                     uint16_t port);

/*
 * Takes a record along. What mspd is too slow for is dropped and counted in
 * the worker's n_log_dropped.
 * @return 0; -EPIPE no mspd; negative errno, records were dropped
 */
int msp_control_log(struct msp_control *control,
                    const struct msp_child_log *record);
