/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Connections to the metadata hosts. One serves one request at a time; after
 * a cleanly framed response it waits in a small pool, most recently used
 * first, for the next request to the same address from whichever client:
 * every request is signed by itself, the host keeps nothing per connection.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"

struct msp_conn;
struct msp_worker;

#define MSP_UPSTREAM_IDLE_MAX 512
#define MSP_UPSTREAM_IDLE_MS  10000

struct msp_upstream {
    struct msp_source source;
    struct msp_worker *worker;
    struct msp_conn *conn;     /* whose request it serves; NULL = idle */
    struct msp_upstream *prev; /* idle list */
    struct msp_upstream *next; /* idle or free list */
    uint64_t idle_since_ms;
    uint64_t dialled_ms;
    uint8_t addr[4]; /* network byte order */
    uint16_t port;   /* host order */
    bool is_connected;
    bool is_reused;
    bool is_readable;
    bool is_write_blocked;
    bool is_failed; /* epoll reported an error */
    bool is_trying; /* whether a host that was away is back */
};

/*
 * A connection for the conn's mark: an idle one if `may_reuse`, else a new
 * one, marked as ours and connecting or connected.
 * @return 0; -EOPNOTSUPP not IPv4; -EHOSTDOWN it did not answer a moment ago;
 *         negative errno of socket, mark or connect
 */
int msp_upstream_take(struct msp_worker *worker, struct msp_conn *conn,
                      bool may_reuse, struct msp_upstream **ret_upstream);

/* Back to the pool; closes it when the pool is full. */
void msp_upstream_give(struct msp_upstream *upstream);
void msp_upstream_close(struct msp_upstream *upstream);

/* After epoll said writable: @return 0 connected; negative errno */
int msp_upstream_connected(struct msp_upstream *upstream);
/* Its time to connect is over: it is not the only one to know. */
void msp_upstream_silent(struct msp_upstream *upstream);

/* Closes idle ones older than MSP_UPSTREAM_IDLE_MS, or all. */
void msp_upstream_sweep(struct msp_worker *worker, bool all);
