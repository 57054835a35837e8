/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "worker.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <msp/payer.h>

#include "base/log.h"
#include "conn.h"
#include "upstream.h"

#define TICK_MS        1000
#define FILES_PER_CONN 2  /* the client's, the host's */
#define RESUME_MS      20 /* each pause costs one system call a listener */
#define ACCEPT_BATCH   32
#define FULL_MAX       4
#define BACKLOG_MAX    (MSP_LISTEN_BACKLOG + 1) /* so the kernel counts */

struct msp_listener {
    struct msp_worker *worker;
    struct msp_listener *next;
    struct msp_source source;
    uint64_t netns_cookie;
    uint16_t port;
    bool is_lost;   /* ended by root of its namespace (SOCK_DESTROY) */
    uint8_t most;   /* to accept at an event: a call that finds none is dear */
    uint8_t n_full; /* events in a row at which there may have been more */
};

/* --- accepting ---------------------------------------------------------- */

static bool is_agent_current(const struct msp_worker *worker)
{
    return __atomic_load_n(&worker->meta->agent_epoch, __ATOMIC_ACQUIRE) ==
           worker->agent_epoch;
}

static void pause_accepting(struct msp_worker *worker)
{
    worker->is_paused = true;
    for (struct msp_listener *l = worker->listeners; l; l = l->next)
        if (!l->is_lost)
            (void)msp_loop_want(&l->source, 0);
}

static void resume_accepting(struct msp_worker *worker)
{
    worker->is_paused = false;
    for (struct msp_listener *l = worker->listeners; l; l = l->next)
        if (!l->is_lost && msp_loop_want(&l->source, EPOLLIN) < 0)
            worker->is_paused = true; /* the next tick tries again */
}

bool msp_worker_has_room(const struct msp_worker *worker, uint32_t more)
{
    uint32_t n_served = worker->n_conns - worker->n_rejects;

    return 2 * n_served + worker->n_rejects + worker->n_idle + more <=
           worker->files_max;
}

void msp_worker_crowd(struct msp_worker *worker)
{
    msp_loop_spin(worker->loop,
                  worker->n_conns <= MSP_SPIN_CONNS ? MSP_SPIN_NS : 0);
}

void msp_worker_made_room(struct msp_worker *worker)
{
    if (worker->is_paused && !worker->is_resuming)
        worker->is_resuming = msp_timer_set(&worker->tick, RESUME_MS) >= 0;
}

/*
 * Takes from those who do nothing: connections to hosts that wait in the pool,
 * then clients between two requests. Who has not asked yet has to, soon.
 * @return whether one more client finds room
 */
static bool make_room(struct msp_worker *worker)
{
    uint64_t soon = msp_loop_now(worker->loop) + MSP_HEAD_MS;

    msp_upstream_sweep(worker, true);
    if (msp_worker_has_room(worker, FILES_PER_CONN))
        return true;
    for (struct msp_conn *c = worker->conns, *next; c; c = next) {
        next = c->next;
        if (c->due_ms <= soon || !msp_conn_is_idle(c))
            continue;
        if (c->n_requests || msp_conn_deadline(c, MSP_HEAD_MS) < 0)
            msp_conn_close(c);
    }
    return msp_worker_has_room(worker, FILES_PER_CONN);
}

static bool is_over_cap(const struct msp_worker *worker,
                        const struct msp_mark *mark)
{
    uint32_t n_conns = worker->n_conns - worker->n_rejects;

    return msp_tally_count(worker->tally, mark->payer) >=
           msp_payer_share(mark->payer, n_conns, worker->conns_max,
                           MSP_CONNS_PER_PAYER);
}

/* One accepted socket; owns fd. */
static void admit(struct msp_worker *worker, int fd,
                  const struct sockaddr_in *peer)
{
    struct msp_mark mark = {0};
    bool is_over;

    worker->stats.n_accepted++;
    if (worker->ops.mark(worker->ops.data, fd, &mark) < 0) {
        /* fail closed: nobody decided about this connection */
        worker->stats.n_unmarked++;
        (void)close(fd);
        return;
    }
    is_over = is_over_cap(worker, &mark);
    if (is_over)
        worker->stats.n_over_cap++;
    if ((is_over && worker->n_rejects >= MSP_REJECTS_MAX) ||
        msp_conn_open(worker, fd, &mark, peer, is_over) < 0) {
        msp_reply_overload(fd);
        (void)close(fd);
    }
}

/*
 * A socket that does not listen any more would be reported for ever. mspd has
 * it too and makes it listen again; asked by the tick, so that whoever ends
 * it time and again costs no more than that.
 */
static void lose_listener(struct msp_listener *listener)
{
    msp_loop_remove(&listener->source);
    listener->is_lost = true;
}

static void report_lost(const struct msp_worker *worker)
{
    for (const struct msp_listener *l = worker->listeners; l; l = l->next)
        if (l->is_lost)
            worker->ops.lost(worker->ops.data, l->netns_cookie, l->port);
}

/*
 * Accepts what waits, at most `most`.
 * @return true if the queue is empty; false if there may be more
 */
static bool accept_waiting(struct msp_listener *listener, int most)
{
    struct msp_worker *worker = listener->worker;

    for (int i = 0; i < most; i++) {
        union {
            struct sockaddr any;
            struct sockaddr_in in; /* listeners are of this family */
        } peer = {0};

        socklen_t len = sizeof(peer);
        int fd;

        if (!msp_worker_has_room(worker, FILES_PER_CONN)) {
            if (i > 0)
                return false; /* is there another one? epoll will say */
            if (!make_room(worker)) {
                pause_accepting(worker);
                return false;
            }
        }
        fd = accept4(listener->source.fd, &peer.any, &len,
                     SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            admit(worker, fd, &peer.in);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
            errno == ENOMEM) {
            pause_accepting(worker);
            return false;
        }
        if (errno == EINVAL)
            lose_listener(listener);
        if (errno == EAGAIN || errno == EINVAL)
            return true;
    }
    return false;
}

/* As many as came of late: epoll says if one is left. */
static void accept_some(struct msp_listener *listener)
{
    uint64_t before = listener->worker->stats.n_accepted;

    if (accept_waiting(listener, listener->most)) {
        uint64_t n = listener->worker->stats.n_accepted - before;

        listener->most = n ? (uint8_t)n : 1;
        listener->n_full = 0;
    } else if (++listener->n_full == FULL_MAX) {
        listener->most = (uint8_t)(2 * listener->most);
        if (listener->most > ACCEPT_BATCH)
            listener->most = ACCEPT_BATCH;
        listener->n_full = 0;
    }
}

static void on_listener(void *data, uint32_t events)
{
    struct msp_listener *listener = data;

    (void)events;
    if (is_agent_current(listener->worker))
        accept_some(listener);
    else
        msp_worker_drain(listener->worker); /* frees the listener */
}

static void close_listener(struct msp_listener *listener)
{
    int fd = listener->source.fd;

    msp_loop_remove(&listener->source); /* if it is not lost */
    (void)close(fd);
    free(listener);
}

int msp_worker_listen(struct msp_worker *worker, int fd, uint64_t netns_cookie,
                      uint16_t port)
{
    struct msp_listener *listener;
    const int one = 1;
    int r = -ENOMEM;

    if (worker->is_draining) {
        (void)close(fd);
        return -ESHUTDOWN;
    }
    msp_worker_unlisten(worker, netns_cookie); /* a newer one replaces it */
    listener = calloc(1, sizeof(*listener));
    if (listener) {
        listener->worker = worker;
        listener->netns_cookie = netns_cookie;
        listener->port = port;
        listener->most = 1;
        /* inherited by every accepted socket */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        r = msp_loop_add(worker->loop, &listener->source, fd, EPOLLIN,
                         on_listener, listener);
        listener->source.lane = netns_cookie; /* no payer is such a number */
    }
    if (r < 0) {
        free(listener);
        (void)close(fd);
        return r;
    }
    listener->next = worker->listeners;
    worker->listeners = listener;
    return 0;
}

void msp_worker_unlisten(struct msp_worker *worker, uint64_t netns_cookie)
{
    for (struct msp_listener **l = &worker->listeners; *l; l = &(*l)->next) {
        struct msp_listener *gone = *l;

        if (gone->netns_cookie != netns_cookie)
            continue;
        *l = gone->next;
        close_listener(gone);
        return;
    }
}

/* --- the way out -------------------------------------------------------- */

/* Idle connections end; those that have not asked yet may, but soon. */
static void hurry_idle(struct msp_worker *worker)
{
    for (struct msp_conn *c = worker->conns, *next; c; c = next) {
        next = c->next;
        if (!msp_conn_is_idle(c))
            continue;
        if (c->n_requests || msp_conn_await_request(c) < 0)
            msp_conn_close(c);
    }
}

void msp_worker_drain(struct msp_worker *worker)
{
    struct msp_listener *listener;

    if (worker->is_draining)
        return;
    msp_log(MSP_LOG_INFO, "proxy.drain", NULL);
    worker->is_draining = true;
    worker->drain_end_ms = msp_loop_now(worker->loop) + MSP_DRAIN_MS;
    hurry_idle(worker);
    /* as long as one is listed, the last connection does not end the loop */
    while ((listener = worker->listeners)) {
        /* who was redirected here before the change is still served */
        (void)accept_waiting(listener, BACKLOG_MAX);
        worker->listeners = listener->next;
        close_listener(listener);
    }
    msp_upstream_sweep(worker, true);
    if (worker->n_conns == 0)
        msp_loop_quit(worker->loop, 0);
}

static uint32_t live_epoch(const struct msp_worker *worker)
{
    uint32_t live = __atomic_load_n(&worker->meta->live, __ATOMIC_ACQUIRE);

    return __atomic_load_n(&worker->meta->slot[live % MSP_SLOTS].identity_epoch,
                           __ATOMIC_ACQUIRE);
}

bool msp_worker_is_stale(const struct msp_worker *worker,
                         const struct msp_mark *mark)
{
    return mark->identity_epoch != live_epoch(worker);
}

/* Closed, unless its first request must be on its way: that gets an answer. */
static void end_stale(struct msp_conn *conn)
{
    if (!msp_conn_is_idle(conn))
        return;
    if (!msp_conn_is_new(conn) || msp_conn_deadline(conn, MSP_HEAD_MS) < 0)
        msp_conn_close(conn);
}

void msp_worker_flipped(struct msp_worker *worker)
{
    uint32_t epoch = live_epoch(worker);

    if (epoch == worker->identity_epoch)
        return;
    worker->identity_epoch = epoch;
    for (struct msp_conn *c = worker->conns, *next; c; c = next) {
        next = c->next;
        if (msp_worker_is_stale(worker, &c->mark))
            end_stale(c);
    }
}

static void on_tick(void *data)
{
    struct msp_worker *worker = data;

    if (!worker->is_draining && !is_agent_current(worker))
        msp_worker_drain(worker);
    if (worker->is_draining &&
        msp_loop_now(worker->loop) >= worker->drain_end_ms)
        msp_loop_quit(worker->loop, 0);
    msp_worker_flipped(worker); /* mspd may have died before it said so */
    msp_upstream_sweep(worker, false);
    worker->is_resuming = false;
    if (worker->is_paused)
        resume_accepting(worker);
    report_lost(worker);
    (void)msp_timer_set(&worker->tick, TICK_MS); /* just stopped: room left */
}

/* --- life --------------------------------------------------------------- */

void msp_worker_clock(struct msp_worker *worker, int64_t host_s,
                      uint64_t boot_ns)
{
    worker->host_s = host_s;
    worker->host_boot_ns = boot_ns;
}

/* The host's time, or ours while it is not known. */
static int64_t unix_now(const struct msp_worker *worker)
{
    struct timespec now;
    uint64_t boot_ns;

    if (!worker->host_boot_ns) {
        (void)clock_gettime(CLOCK_REALTIME_COARSE, &now);
        return now.tv_sec;
    }
    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    boot_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    return worker->host_s +
           (int64_t)((boot_ns - worker->host_boot_ns) / 1000000000u);
}

const char *msp_worker_date(struct msp_worker *worker)
{
    int64_t now_s = unix_now(worker);

    if (now_s != worker->date_s || worker->date[0] == '\0') {
        worker->date_s = now_s;
        msp_sign_date(now_s, worker->date);
    }
    return worker->date;
}

int msp_worker_new(const struct msp_worker_setup *setup,
                   struct msp_worker **ret_worker)
{
    struct msp_worker *worker = calloc(1, sizeof(*worker));

    if (!worker)
        return -ENOMEM;
    worker->loop = setup->loop;
    worker->ops = setup->ops;
    worker->page = setup->page;
    worker->meta = setup->meta;
    worker->agent_epoch = setup->agent_epoch;
    worker->key = setup->key;
    worker->files_max = setup->files_max;
    worker->conns_max = worker->files_max / FILES_PER_CONN < MSP_CONNS_MAX
                            ? worker->files_max / FILES_PER_CONN
                            : MSP_CONNS_MAX;
    worker->canon = malloc(sizeof(*worker->canon));
    worker->tally = calloc(1, sizeof(*worker->tally));
    msp_timer_init(worker->loop, &worker->tick, on_tick, worker);
    if (!worker->canon || !worker->tally || msp_sign_new(&worker->sign) < 0 ||
        msp_timer_set(&worker->tick, TICK_MS) < 0) {
        msp_worker_free(worker);
        return -ENOMEM;
    }
    *ret_worker = worker;
    return 0;
}

static void free_pools(struct msp_worker *worker)
{
    for (struct msp_conn *c = worker->free_conns, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    for (struct msp_exchange *e = worker->free_exchanges, *next; e; e = next) {
        next = e->next;
        free(e);
    }
    for (struct msp_upstream *u = worker->free_upstreams, *next; u; u = next) {
        next = u->next;
        free(u);
    }
}

struct msp_worker *msp_worker_free(struct msp_worker *worker)
{
    struct msp_listener *listener;

    if (!worker)
        return NULL;
    while ((listener = worker->listeners)) {
        worker->listeners = listener->next;
        close_listener(listener);
    }
    while (worker->conns)
        msp_conn_close(worker->conns);
    msp_upstream_sweep(worker, true);
    msp_timer_stop(&worker->tick);
    free_pools(worker);
    free(worker->tally);
    free(worker->canon);
    msp_sign_free(worker->sign);
    free(worker);
    return NULL;
}
