/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * One worker: listeners, accepted connections with their caps, the pool of
 * idle upstream connections, the one-second tick that sees a new agent or a
 * new identity table, and the way out (drain). Everything that asks the
 * kernel goes through struct msp_proxy_ops, so that tests run the same code
 * over loopback sockets.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <msp/abi.h>
#include <msp/canon.h>
#include <msp/child.h>

#include "away.h"
#include "base/loop.h"
#include "http.h"
#include "key.h"
#include "sign.h"
#include "tally.h"

struct msp_conn;
struct msp_exchange;
struct msp_upstream;
struct msp_listener;

struct msp_proxy_ops {
    /* the mark of an accepted socket; 0 or negative errno = none */
    int (*mark)(void *data, int fd, struct msp_mark *ret_mark);
    /* marks an upstream socket before connect(); 0 or negative errno */
    int (*own)(void *data, int fd);
    /* judges worker->page; 0 or negative errno */
    int (*authorize)(void *data);
    /* takes a finished request; may drop it */
    void (*log)(void *data, const struct msp_child_log *record);
    /* a listener has ended; said again each second until there is another */
    void (*lost)(void *data, uint64_t netns_cookie, uint16_t port);
    void *data;
};

/* For people, on the way out; never reset. */
struct msp_worker_stats {
    uint64_t n_accepted;
    uint64_t n_unmarked;
    uint64_t n_over_cap;
    uint64_t n_requests;
    uint64_t n_told; /* records of requests, with those dropped */
    uint64_t n_log_dropped;
};

struct msp_worker {
    struct msp_loop *loop; /* borrowed */
    struct msp_proxy_ops ops;
    struct msp_request *page;    /* borrowed: this worker's row */
    const struct msp_meta *meta; /* borrowed */
    uint64_t agent_epoch;        /* the mspd that started us */
    uint32_t identity_epoch;     /* of the live slot when we last looked */
    struct msp_key *key;         /* borrowed */
    struct msp_worker_stats stats;

    /* scratch of the request at hand */
    struct msp_sign *sign;
    struct msp_canon *canon;
    struct msp_http_head response;
    struct msp_http_header send[MSP_SEND_HEADERS_MAX];
    int64_t date_s;
    int64_t host_s;        /* the host's clock, */
    uint64_t host_boot_ns; /* and CLOCK_BOOTTIME then; 0 = not known */
    char date[MSP_DATE_BYTES];

    struct msp_tally *tally;     /* by payer */
    struct msp_conn *conns;      /* open ones */
    struct msp_conn *free_conns; /* pools grow to the caps, never shrink */
    struct msp_exchange *free_exchanges;
    struct msp_upstream *idle; /* most recently used first */
    struct msp_upstream *free_upstreams;
    struct msp_away away; /* hosts that answered no SYN */
    struct msp_listener *listeners;
    uint32_t n_conns;
    uint32_t n_rejects; /* of n_conns: only there to be told 503 */
    uint32_t n_idle;
    uint32_t files_max; /* descriptors of connections, both sides */
    uint32_t conns_max; /* as many as there are descriptors for */

    struct msp_timer tick;
    bool is_draining;
    bool is_paused;   /* out of descriptors: clients wait in the queues */
    bool is_resuming; /* the tick comes early */
    uint64_t drain_end_ms;
};

struct msp_worker_setup {
    struct msp_loop *loop;
    struct msp_proxy_ops ops;
    struct msp_request *page;
    const struct msp_meta *meta;
    uint64_t agent_epoch;
    uint32_t files_max; /* descriptors that connections may take */
    struct msp_key *key;
};

/* Everything in the setup is borrowed. @return 0; negative errno */
int msp_worker_new(const struct msp_worker_setup *setup,
                   struct msp_worker **ret_worker);
/* Closes every socket. */
struct msp_worker *msp_worker_free(struct msp_worker *worker); /* NULL */

/*
 * Accepts on a listening socket from now on.
 * @param fd taken over, also on failure
 * @return 0; -ESHUTDOWN draining; -ENOMEM; negative errno
 */
int msp_worker_listen(struct msp_worker *worker, int fd, uint64_t netns_cookie,
                      uint16_t port);
/*
 * Whether there are `more` descriptors when every open connection has the one
 * it may need for a host. So none is found missing when a request is there, or
 * when mspd hands over a listener.
 */
bool msp_worker_has_room(const struct msp_worker *worker, uint32_t more);
/*
 * To be called when the number of clients changes: of few each wants his answer
 * soon, of many the next one is there anyhow, see base/spin.h.
 */
void msp_worker_crowd(struct msp_worker *worker);

/* A client is gone: who waits in the queues comes next. */
void msp_worker_made_room(struct msp_worker *worker);

/* Stops accepting there; connections stay. */
void msp_worker_unlisten(struct msp_worker *worker, uint64_t netns_cookie);

/*
 * Accepts what waits in the queues, then no more. Idle connections are closed;
 * requests that have arrived are finished, and a connection that has not asked
 * anything yet may within MSP_HEAD_MS. Ends the loop with 0 when the last one
 * is gone, or at the first tick after MSP_DRAIN_MS. Logs.
 */
void msp_worker_drain(struct msp_worker *worker);

/*
 * A policy came into force, perhaps with other identities: if so, idle
 * connections are closed, so that their clients connect anew. A request that
 * has arrived is answered, 503, and the connection ends; so does one that was
 * made a moment ago and has not asked yet.
 */
void msp_worker_flipped(struct msp_worker *worker);

/* Whether the mark is of an identity table that is not the live one. */
bool msp_worker_is_stale(const struct msp_worker *worker,
                         const struct msp_mark *mark);

/* What the host's clock showed at this CLOCK_BOOTTIME; dates are its from now
 * on. */
void msp_worker_clock(struct msp_worker *worker, int64_t host_s,
                      uint64_t boot_ns);

/* The date header's value for this second. */
const char *msp_worker_date(struct msp_worker *worker);
