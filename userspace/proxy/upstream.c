/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "upstream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn.h"
#include "worker.h"

static void unlink_idle(struct msp_upstream *upstream)
{
    struct msp_worker *worker = upstream->worker;

    if (upstream->prev)
        upstream->prev->next = upstream->next;
    else
        worker->idle = upstream->next;
    if (upstream->next)
        upstream->next->prev = upstream->prev;
    upstream->prev = NULL;
    upstream->next = NULL;
    worker->n_idle--;
}

static void on_event(void *data, uint32_t events)
{
    struct msp_upstream *upstream = data;

    if (!upstream->conn) {
        /* an idle connection has nothing to say but good-bye */
        unlink_idle(upstream);
        msp_upstream_close(upstream);
        return;
    }
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        /* known already and not yet read: the client is slow */
        if (upstream->is_readable &&
            msp_loop_want(&upstream->source,
                          upstream->source.events & ~(uint32_t)EPOLLIN) < 0)
            upstream->is_failed = true;
        upstream->is_readable = true;
    }
    if (events & EPOLLERR)
        upstream->is_failed = true;
    msp_conn_on_upstream(upstream->conn, events);
}

static bool is_for(const struct msp_upstream *upstream,
                   const struct msp_mark *mark)
{
    return upstream->port == mark->port &&
           memcmp(upstream->addr, mark->addr + 12, 4) == 0;
}

static struct msp_upstream *take_idle(struct msp_worker *worker,
                                      const struct msp_mark *mark)
{
    for (struct msp_upstream *u = worker->idle; u; u = u->next) {
        if (!is_for(u, mark))
            continue;
        unlink_idle(u);
        u->is_reused = true;
        return u;
    }
    return NULL;
}

static struct msp_upstream *alloc(struct msp_worker *worker)
{
    struct msp_upstream *upstream = worker->free_upstreams;

    if (upstream)
        worker->free_upstreams = upstream->next;
    else
        upstream = malloc(sizeof(*upstream));
    if (upstream)
        *upstream = (struct msp_upstream){.worker = worker};
    return upstream;
}

/* Socket, own mark, connect. @return 0; negative errno, all undone */
static int dial(struct msp_upstream *upstream)
{
    struct msp_worker *worker = upstream->worker;
    struct sockaddr_in to = {
        .sin_family = AF_INET,
        .sin_port = htons(upstream->port),
    };
    const int one = 1;
    const int room = MSP_SOCKET_BYTES;
    int r;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -errno;
    memcpy(&to.sin_addr, upstream->addr, sizeof(upstream->addr));
    /* fail closed: without our mark the kernel would refuse the connect */
    r = worker->ops.own(worker->ops.data, fd);
    if (r < 0)
        goto fail;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    /* what a slow client or host may hold of the kernel's memory */
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
    if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0)
        upstream->is_connected = true;
    else if (errno == EINPROGRESS)
        upstream->is_write_blocked = true;
    else {
        r = -errno;
        goto fail;
    }
    r = msp_loop_add(worker->loop, &upstream->source, fd,
                     upstream->is_connected ? EPOLLIN : EPOLLOUT, on_event,
                     upstream);
    if (r < 0)
        goto fail;
    return 0;
fail:
    (void)close(fd);
    return r;
}

static void put_free(struct msp_upstream *upstream)
{
    struct msp_worker *worker = upstream->worker;

    upstream->next = worker->free_upstreams;
    worker->free_upstreams = upstream;
}

/* It was to find out whether the host is back, and has not. */
static void give_up(struct msp_upstream *upstream)
{
    struct msp_worker *worker = upstream->worker;

    if (upstream->is_trying)
        msp_away_gave_up(&worker->away, upstream->addr, upstream->port,
                         msp_loop_now(worker->loop));
    upstream->is_trying = false;
}

int msp_upstream_take(struct msp_worker *worker, struct msp_conn *conn,
                      bool may_reuse, struct msp_upstream **ret_upstream)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255};
    struct msp_upstream *upstream = NULL;
    int r;

    /* fail closed: a destination in no family we connect to */
    if (memcmp(conn->mark.addr, mapped, sizeof(mapped)) != 0)
        return -EOPNOTSUPP;
    if (may_reuse)
        upstream = take_idle(worker, &conn->mark);
    if (!upstream) {
        upstream = alloc(worker);
        if (!upstream)
            return -ENOMEM;
        memcpy(upstream->addr, conn->mark.addr + 12, 4);
        upstream->port = conn->mark.port;
        upstream->dialled_ms = msp_loop_now(worker->loop);
        r = msp_away_is(&worker->away, upstream->addr, upstream->port,
                        upstream->dialled_ms, &upstream->is_trying)
                ? -EHOSTDOWN
                : dial(upstream);
        if (r < 0) {
            give_up(upstream);
            put_free(upstream);
            return r;
        }
    }
    upstream->conn = conn;
    upstream->source.lane = conn->mark.payer;
    *ret_upstream = upstream;
    return 0;
}

void msp_upstream_give(struct msp_upstream *upstream)
{
    struct msp_worker *worker = upstream->worker;

    /* the client that had it keeps its right to another one */
    if (worker->n_idle >= MSP_UPSTREAM_IDLE_MAX || worker->is_draining ||
        !msp_worker_has_room(worker, 1) || upstream->is_readable ||
        upstream->is_failed || msp_loop_want(&upstream->source, EPOLLIN) < 0) {
        msp_upstream_close(upstream);
        return;
    }
    upstream->conn = NULL;
    upstream->source.lane = 0;
    upstream->idle_since_ms = msp_loop_now(worker->loop);
    upstream->prev = NULL;
    upstream->next = worker->idle;
    if (worker->idle)
        worker->idle->prev = upstream;
    worker->idle = upstream;
    worker->n_idle++;
}

void msp_upstream_close(struct msp_upstream *upstream)
{
    give_up(upstream);
    msp_loop_close(&upstream->source);
    put_free(upstream);
}

int msp_upstream_connected(struct msp_upstream *upstream)
{
    int error = 0;
    socklen_t len = sizeof(error);

    if (getsockopt(upstream->source.fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        return -errno;
    if (error == 0 || error == ECONNREFUSED) {
        upstream->is_trying = false;
        msp_away_answered(&upstream->worker->away, upstream->addr,
                          upstream->port, msp_loop_now(upstream->worker->loop));
    }
    if (error)
        return -error;
    upstream->is_connected = true;
    upstream->is_readable = false;
    return msp_loop_want(&upstream->source, EPOLLIN);
}

void msp_upstream_silent(struct msp_upstream *upstream)
{
    struct msp_worker *worker = upstream->worker;
    uint64_t now = msp_loop_now(worker->loop);

    /* a client at the end of its time waits less, which says nothing */
    if (now - upstream->dialled_ms < MSP_UPSTREAM_CONNECT_MS)
        return;
    upstream->is_trying = false;
    msp_away_silent(&worker->away, upstream->addr, upstream->port,
                    upstream->dialled_ms, now);
}

void msp_upstream_sweep(struct msp_worker *worker, bool all)
{
    uint64_t now = msp_loop_now(worker->loop);

    for (struct msp_upstream *u = worker->idle, *next; u; u = next) {
        next = u->next;
        if (!all && now - u->idle_since_ms < MSP_UPSTREAM_IDLE_MS)
            continue;
        unlink_idle(u);
        msp_upstream_close(u);
    }
}
