/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "conn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "upstream.h"
#include "worker.h"

#define STEPS_MAX 128 /* of one connection before others have their turn */

static void on_client(void *data, uint32_t events);
static void on_timer(void *data);

/* --- time --------------------------------------------------------------- */

static uint64_t age_ms(const struct msp_conn *conn)
{
    return msp_loop_now(conn->worker->loop) - conn->born_ms;
}

int msp_conn_deadline(struct msp_conn *conn, uint64_t ms)
{
    uint64_t age = age_ms(conn);
    uint64_t left = age < MSP_CONN_MS ? MSP_CONN_MS - age : 1;

    if (ms > left)
        ms = left;
    conn->due_ms = conn->born_ms + age + ms;
    return msp_timer_set(&conn->timer, ms);
}

int msp_conn_await_request(struct msp_conn *conn)
{
    uint64_t ms = conn->worker->is_draining ? MSP_HEAD_MS : MSP_IDLE_MS;
    uint64_t age = age_ms(conn);
    /* none if a long response has used up the time */
    uint64_t left = age < MSP_CONN_LAST_MS ? MSP_CONN_LAST_MS - age : 0;

    return msp_conn_deadline(conn, ms < left ? ms : left);
}

/* The timer had been taken to come back early: back to the deadline. */
static int restore_deadline(struct msp_conn *conn)
{
    uint64_t now = msp_loop_now(conn->worker->loop);

    conn->has_yielded = false;
    return msp_timer_set(&conn->timer,
                         conn->due_ms > now ? conn->due_ms - now : 0);
}

/* --- life --------------------------------------------------------------- */

/* The table cannot fill: it holds twice the connections there may be. */
static void charge(struct msp_conn *conn)
{
    (void)msp_tally_add(conn->worker->tally, conn->mark.payer);
}

static void discharge(struct msp_conn *conn)
{
    msp_tally_drop(conn->worker->tally, conn->mark.payer);
}

int msp_conn_open(struct msp_worker *worker, int fd,
                  const struct msp_mark *mark, const struct sockaddr_in *peer,
                  bool is_rejected)
{
    struct msp_conn *conn = worker->free_conns;
    int r;

    if (conn)
        worker->free_conns = conn->next;
    else
        conn = malloc(sizeof(*conn));
    if (!conn)
        return -ENOMEM;
    *conn = (struct msp_conn){
        .worker = worker,
        .next = worker->conns,
        .mark = *mark,
        .client_be = peer->sin_addr.s_addr,
        .client_port = ntohs(peer->sin_port),
        .born_ms = msp_loop_now(worker->loop),
        .is_rejected = is_rejected,
        .is_readable = true, /* the request often came with the ACK */
    };
    (void)snprintf(conn->addr, sizeof(conn->addr), "%u.%u.%u.%u",
                   mark->addr[12], mark->addr[13], mark->addr[14],
                   mark->addr[15]);
    msp_timer_init(worker->loop, &conn->timer, on_timer, conn);
    /* epoll is asked when the first read finds nothing, and often never */
    r = msp_loop_add(worker->loop, &conn->client, fd, 0, on_client, conn);
    conn->client.lane = mark->payer;
    if (r >= 0) {
        r = msp_conn_await_request(conn);
        if (r < 0)
            msp_loop_remove(&conn->client);
    }
    if (r < 0) {
        conn->next = worker->free_conns;
        worker->free_conns = conn;
        return r;
    }
    if (worker->conns)
        worker->conns->prev = conn;
    worker->conns = conn;
    worker->n_conns++;
    msp_worker_crowd(worker);
    if (is_rejected)
        worker->n_rejects++;
    else
        charge(conn);
    on_client(conn, 0);
    return 0;
}

static void drop_exchange(struct msp_conn *conn)
{
    struct msp_worker *worker = conn->worker;

    if (!conn->ex)
        return;
    conn->ex->next = worker->free_exchanges;
    worker->free_exchanges = conn->ex;
    conn->ex = NULL;
}

static bool take_exchange(struct msp_conn *conn)
{
    struct msp_worker *worker = conn->worker;
    struct msp_exchange *ex = worker->free_exchanges;

    if (ex)
        worker->free_exchanges = ex->next;
    else
        ex = malloc(sizeof(*ex));
    if (!ex)
        return false;
    ex->in_len = 0;
    conn->ex = ex;
    return true;
}

static void send_log(struct msp_conn *conn)
{
    struct msp_worker *worker = conn->worker;
    struct msp_exchange *ex = conn->ex;

    if (!conn->now.is_active || !ex)
        return;
    conn->now.is_active = false;
    ex->log.bytes_in = conn->now.body_bytes;
    ex->log.serial = ++worker->stats.n_told;
    ex->log.client_be = conn->client_be;
    ex->log.client_port = conn->client_port;
    ex->log.elapsed_us = (msp_io_now_ns() - ex->start_ns) / 1000;
    worker->ops.log(worker->ops.data, &ex->log);
}

/* A response that ends with the connection, and has not ended. */
static bool is_cut_short(const struct msp_conn *conn)
{
    return conn->state == MSP_CONN_RELAY && !conn->now.is_response_done &&
           conn->now.response_framing == MSP_FRAMING_EOF;
}

void msp_conn_close(struct msp_conn *conn)
{
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    struct msp_worker *worker = conn->worker;

    if (conn->now.is_active && conn->ex)
        msp_conn_detail(conn, "aborted");
    send_log(conn);
    if (is_cut_short(conn)) /* only a reset tells */
        (void)setsockopt(conn->client.fd, SOL_SOCKET, SO_LINGER, &reset,
                         sizeof(reset));
    if (conn->upstream)
        msp_upstream_close(conn->upstream);
    msp_buf_done(&conn->body);
    drop_exchange(conn);
    msp_timer_stop(&conn->timer);
    msp_loop_close(&conn->client);
    if (conn->prev)
        conn->prev->next = conn->next;
    else
        worker->conns = conn->next;
    if (conn->next)
        conn->next->prev = conn->prev;
    worker->n_conns--;
    msp_worker_crowd(worker);
    if (conn->is_rejected)
        worker->n_rejects--;
    else
        discharge(conn);
    msp_worker_made_room(worker);
    conn->next = worker->free_conns;
    worker->free_conns = conn;
    if (worker->is_draining && !worker->listeners && worker->n_conns == 0)
        msp_loop_quit(worker->loop, 0);
}

bool msp_conn_is_idle(const struct msp_conn *conn)
{
    char byte;

    /* closing over an unread request would reset it */
    return (conn->state == MSP_CONN_HEAD || conn->state == MSP_CONN_PAUSE) &&
           !conn->ex && recv(conn->client.fd, &byte, 1, MSG_PEEK) <= 0;
}

bool msp_conn_is_new(const struct msp_conn *conn)
{
    return !conn->n_requests && age_ms(conn) < MSP_HEAD_MS;
}

void msp_conn_detail(struct msp_conn *conn, const char *detail)
{
    char *to = conn->ex->log.detail;
    size_t len = strnlen(detail, sizeof(conn->ex->log.detail) - 1);

    memcpy(to, detail, len);
    to[len] = '\0';
}

bool msp_conn_must_close(struct msp_conn *conn)
{
    const struct msp_worker *worker = conn->worker;

    if (!conn->ex->head.keeps_alive || worker->is_draining ||
        conn->n_requests >= MSP_CONN_REQUESTS ||
        age_ms(conn) >= MSP_CONN_LAST_MS ||
        msp_worker_is_stale(worker, &conn->mark))
        conn->closes = true;
    return conn->closes;
}

/* --- reading ------------------------------------------------------------ */

int msp_conn_fill(struct msp_conn *conn)
{
    struct msp_exchange *ex = conn->ex;
    size_t room = sizeof(ex->in) - ex->in_len;
    ssize_t n;

    if (!conn->is_readable || room == 0)
        return 0;
    n = recv(conn->client.fd, ex->in + ex->in_len, room, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        conn->is_readable = false;
        return 0;
    }
    if (n <= 0)
        return -1;
    /* level-triggered: what is left, or the end, is reported again */
    if ((size_t)n < room)
        conn->is_readable = false;
    ex->in_len += (size_t)n;
    return (int)n;
}

ssize_t msp_conn_send(int fd, const struct msp_pieces *pieces, bool is_last)
{
    const int flags = is_last ? MSG_NOSIGNAL | MSG_MORE : MSG_NOSIGNAL;
    struct iovec iov[2] = {{.iov_len = pieces->head_len},
                           {.iov_len = pieces->body_len}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};

    if (!pieces->body_len)
        return send(fd, pieces->head, pieces->head_len, flags);
    if (!pieces->head_len)
        return send(fd, pieces->body, pieces->body_len, flags);
    /* iovec knows no const */
    memcpy(&iov[0].iov_base, &pieces->head, sizeof(pieces->head));
    memcpy(&iov[1].iov_base, &pieces->body, sizeof(pieces->body));
    return sendmsg(fd, &msg, flags);
}

static int refuse_head(struct msp_conn *conn, enum msp_http_code code)
{
    struct msp_exchange *ex = conn->ex;

    memset(&ex->head, 0, offsetof(struct msp_http_head, header));
    memset(&ex->log, 0, sizeof(ex->log));
    ex->log.head.type = MSP_CHILD_LOG;
    ex->log.mark = conn->mark;
    ex->start_ns = msp_io_now_ns();
    conn->now.is_active = true;
    return msp_reply_http(conn, code);
}

static int step_head(struct msp_conn *conn)
{
    size_t head_len = 0;
    int r;

    if (!conn->ex) {
        if (!conn->is_readable)
            return 0;
        if (!take_exchange(conn))
            return -1; /* fail closed: no memory for a request */
    }
    for (;;) {
        struct msp_exchange *ex = conn->ex;
        struct msp_progress *now = &conn->now;

        if (ex->in_len > now->n_scanned) {
            enum msp_http_code code = msp_http_scan(
                &now->scan, MSP_HTTP_REQUEST, ex->in, ex->in_len, &head_len);
            bool is_first = now->n_scanned == 0;

            now->n_scanned = ex->in_len;
            if (code == MSP_HTTP_OK)
                return msp_request_begin(conn, head_len, now->scan.n_lines);
            if (code != MSP_HTTP_MORE)
                return refuse_head(conn, code);
            if (is_first && msp_conn_deadline(conn, MSP_HEAD_MS) < 0)
                return -1;
        }
        r = msp_conn_fill(conn);
        if (r > 0)
            continue;
        if (r == 0 && ex->in_len == 0)
            drop_exchange(conn);
        return r;
    }
}

/* Reads on so that closing does not reset what the client has not read. */
static int step_linger(struct msp_conn *conn)
{
    char trash[4096];
    ssize_t n;

    while (conn->is_readable && conn->linger_bytes < MSP_LINGER_BYTES) {
        n = recv(conn->client.fd, trash, sizeof(trash), 0);
        if (n < 0 && errno == EAGAIN) {
            conn->is_readable = false;
            return 0;
        }
        if (n <= 0)
            return -1;
        conn->linger_bytes += (uint32_t)n;
    }
    return conn->is_readable ? -1 : 0;
}

/*
 * Who was told to come later is not served before, on this connection, so that
 * who does not listen costs others no more than who does.
 * @return as a step
 */
static int begin_pause(struct msp_conn *conn)
{
    conn->state = MSP_CONN_PAUSE;
    return msp_conn_deadline(conn, MSP_PAUSE_MS) < 0 ? -1 : 1;
}

/* Nothing is read, but that the client has gone. */
static int step_pause(struct msp_conn *conn)
{
    char byte;
    ssize_t n;

    if (conn->ex || !conn->is_readable)
        return 0;
    n = recv(conn->client.fd, &byte, 1, MSG_PEEK);
    if (n < 0 && errno == EAGAIN)
        conn->is_readable = false;
    return n == 0 || (n < 0 && errno != EAGAIN) ? -1 : 0;
}

static int begin_linger(struct msp_conn *conn)
{
    drop_exchange(conn);
    conn->state = MSP_CONN_LINGER;
    return msp_conn_deadline(conn, MSP_LINGER_MS) < 0 ? -1 : 1;
}

int msp_conn_finish(struct msp_conn *conn)
{
    struct msp_exchange *ex = conn->ex;
    size_t used = ex->head.len + conn->now.body_in;
    bool is_clean = conn->now.is_input_done;
    bool is_limited = conn->now.is_limited;

    send_log(conn);
    if (conn->upstream) {
        if (conn->now.is_upstream_reusable && conn->now.is_input_done)
            msp_upstream_give(conn->upstream);
        else
            msp_upstream_close(conn->upstream);
        conn->upstream = NULL;
    }
    msp_buf_done(&conn->body);
    if (conn->closes) {
        /* what was held back for the end goes out with it */
        if (shutdown(conn->client.fd, SHUT_WR) < 0 ||
            (is_clean && ex->in_len <= used && !conn->is_readable))
            return -1;
        return begin_linger(conn);
    }
    ex->in_len -= used;
    if (ex->in_len)
        memmove(ex->in, ex->in + used, ex->in_len);
    conn->now = (struct msp_progress){0};
    conn->state = MSP_CONN_HEAD;
    if (!ex->in_len)
        drop_exchange(conn);
    /* the identities changed while the response was on its way */
    if (msp_worker_is_stale(conn->worker, &conn->mark) &&
        msp_conn_is_idle(conn))
        return -1;
    if (is_limited)
        return begin_pause(conn);
    return msp_conn_await_request(conn) < 0 ? -1 : 1;
}

/* --- events ------------------------------------------------------------- */

static int step(struct msp_conn *conn)
{
    switch ((enum msp_conn_state)conn->state) {
    case MSP_CONN_HEAD:
        return step_head(conn);
    case MSP_CONN_BODY:
        return msp_request_body(conn);
    case MSP_CONN_CONNECT:
        return msp_request_connect(conn);
    case MSP_CONN_SEND:
        return msp_request_send(conn);
    case MSP_CONN_UPLOAD:
        return msp_upload(conn);
    case MSP_CONN_WAIT:
        return msp_relay_wait(conn);
    case MSP_CONN_RELAY:
        return msp_relay_body(conn);
    case MSP_CONN_REPLY:
        return msp_reply_flush(conn);
    case MSP_CONN_LINGER:
        return step_linger(conn);
    case MSP_CONN_PAUSE:
        return step_pause(conn);
    }
    return -1;
}

static bool reads_client(const struct msp_conn *conn)
{
    return conn->state == MSP_CONN_HEAD || conn->state == MSP_CONN_BODY ||
           conn->state == MSP_CONN_UPLOAD || conn->state == MSP_CONN_LINGER ||
           conn->state == MSP_CONN_PAUSE;
}

/*
 * Asks epoll for what the state waits for. EPOLLIN stays armed while nobody
 * reads: a request that fits the usual exchange then costs no epoll_ctl; an
 * event that comes meanwhile takes it away (on_client).
 */
static int rearm(struct msp_conn *conn)
{
    uint32_t events = conn->client.events & EPOLLIN;

    if (reads_client(conn) && !conn->is_readable)
        events |= EPOLLIN;
    if (conn->is_write_blocked)
        events |= EPOLLOUT;
    if (msp_loop_want(&conn->client, events) < 0)
        return -1;
    if (!conn->upstream || !conn->upstream->is_connected)
        return 0;
    events = conn->upstream->source.events & EPOLLIN;
    if (!conn->upstream->is_readable)
        events |= EPOLLIN;
    if (conn->upstream->is_write_blocked)
        events |= EPOLLOUT;
    return msp_loop_want(&conn->upstream->source, events) < 0 ? -1 : 0;
}

static void drive(struct msp_conn *conn)
{
    int budget = STEPS_MAX;
    int r;

    if (conn->has_yielded && restore_deadline(conn) < 0) {
        msp_conn_close(conn);
        return;
    }
    do
        r = step(conn);
    while (r > 0 && --budget > 0);
    if (r > 0) {
        /* a long pipeline: the timer brings us back after the others */
        conn->has_yielded = true;
        r = msp_timer_set(&conn->timer, 0);
    }
    if (r < 0 || rearm(conn) < 0)
        msp_conn_close(conn);
}

static void on_client(void *data, uint32_t events)
{
    struct msp_conn *conn = data;

    if (events & EPOLLERR) {
        msp_conn_close(conn);
        return;
    }
    if (events & (EPOLLIN | EPOLLHUP)) {
        if (conn->is_readable &&
            msp_loop_want(&conn->client,
                          conn->client.events & ~(uint32_t)EPOLLIN) < 0) {
            msp_conn_close(conn);
            return;
        }
        conn->is_readable = true;
    }
    if (events & EPOLLOUT)
        conn->is_write_blocked = false;
    drive(conn);
}

void msp_conn_on_upstream(struct msp_conn *conn, uint32_t events)
{
    if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
        conn->upstream->is_write_blocked = false;
    drive(conn);
}

static int refuse_late(struct msp_conn *conn, const char *reason)
{
    return msp_reply(conn, &(struct msp_reply){504, reason, false});
}

static void on_timer(void *data)
{
    struct msp_conn *conn = data;
    int r = -1;

    if (conn->has_yielded) {
        drive(conn);
        return;
    }
    switch ((enum msp_conn_state)conn->state) {
    case MSP_CONN_HEAD:
        if (conn->ex && conn->ex->in_len)
            r = refuse_head(conn, MSP_HTTP_SLOW);
        break;
    case MSP_CONN_BODY:
        r = msp_reply_http(conn, MSP_HTTP_SLOW);
        break;
    case MSP_CONN_UPLOAD: /* whoever let the other wait */
        r = conn->upstream->is_write_blocked
                ? refuse_late(conn, "response-timeout")
                : msp_reply_http(conn, MSP_HTTP_SLOW);
        break;
    case MSP_CONN_CONNECT:
        msp_upstream_silent(conn->upstream);
        r = refuse_late(conn, "connect-timeout");
        break;
    case MSP_CONN_SEND:
    case MSP_CONN_WAIT:
        r = refuse_late(conn, "response-timeout");
        break;
    case MSP_CONN_PAUSE:
        conn->state = MSP_CONN_HEAD;
        r = msp_conn_await_request(conn);
        break;
    case MSP_CONN_RELAY:
    case MSP_CONN_REPLY:
    case MSP_CONN_LINGER:
        break;
    }
    if (r < 0)
        msp_conn_close(conn);
    else
        drive(conn);
}
