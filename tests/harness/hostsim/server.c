/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "journal.h"

#define EVENTS       64
#define READ_BYTES   65536
#define IN_BYTES_MAX (SIM_BODY_BYTES_MAX + SIM_HEAD_BYTES_MAX)

struct conn {
    struct conn *prev;
    struct conn *next;
    uint64_t id;
    int fd;
    enum sim_endpoint endpoint;
    bool is_listener;
    bool is_closing; /* after what is in `out` */
    bool has_ended;  /* the client sends no more */
    bool is_answering;
    uint64_t start_ns;
    uint64_t due_ns; /* the answer waits until then; 0 = now */
    char *in;
    size_t in_len;
    size_t in_cap;
    char *out;
    size_t out_len;
    size_t out_at;
};

struct sim_server {
    const struct sim_config *config; /* borrowed */
    int epoll_fd;
    uint64_t n_accepted;
    struct conn *first;
};

static uint64_t now_ns(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int msp_sim_server_new(const struct sim_config *config,
                       struct sim_server **ret_server)
{
    struct sim_server *s = calloc(1, sizeof(*s));

    if (!s)
        return -ENOMEM;
    s->config = config;
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (s->epoll_fd < 0) {
        free(s);
        return -errno;
    }
    *ret_server = s;
    return 0;
}

static void conn_free(struct sim_server *s, struct conn *c)
{
    if (c->prev)
        c->prev->next = c->next;
    else
        s->first = c->next;
    if (c->next)
        c->next->prev = c->prev;
    (void)close(c->fd);
    free(c->in);
    free(c->out);
    free(c);
}

void msp_sim_server_free(struct sim_server *s)
{
    if (!s)
        return;
    while (s->first)
        conn_free(s, s->first);
    (void)close(s->epoll_fd);
    free(s);
}

static int conn_new(struct sim_server *s, int fd, enum sim_endpoint endpoint,
                    bool is_listener)
{
    struct epoll_event ev = {.events = EPOLLIN};
    struct conn *c = calloc(1, sizeof(*c));

    if (!c)
        return -ENOMEM;
    c->fd = fd;
    c->endpoint = endpoint;
    c->is_listener = is_listener;
    c->id = s->n_accepted;
    ev.data.ptr = c;
    if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0) {
        int r = -errno;

        free(c);
        return r;
    }
    c->next = s->first;
    if (s->first)
        s->first->prev = c;
    s->first = c;
    return 0;
}

int msp_sim_server_listen(struct sim_server *s, int fd,
                          enum sim_endpoint endpoint)
{
    return conn_new(s, fd, endpoint, true);
}

/* Level-triggered: listens for what the connection waits for now. */
static void conn_watch(const struct sim_server *s, struct conn *c)
{
    struct epoll_event ev = {.data.ptr = c};

    if (c->is_answering)
        ev.events = c->due_ns ? 0 : EPOLLOUT;
    else
        ev.events = EPOLLIN;
    (void)epoll_ctl(s->epoll_fd, EPOLL_CTL_MOD, c->fd, &ev);
}

static void accept_all(struct sim_server *s, const struct conn *listener)
{
    for (;;) {
        int fd =
            accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0)
            return;
        s->n_accepted++;
        if (conn_new(s, fd, listener->endpoint, false) < 0)
            (void)close(fd);
    }
}

static const char *reason_of(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 410:
        return "Gone";
    default:
        return "Status";
    }
}

static void host_date(const struct sim_config *config, char ret[40])
{
    time_t now = time(NULL) + config->clock_offset_s;
    struct tm tm;

    if (!gmtime_r(&now, &tm) ||
        strftime(ret, 40, "%a, %d %b %Y %H:%M:%S GMT", &tm) == 0)
        ret[0] = '\0';
}

/* Composes the bytes of an answer. @return 0; -ENOMEM */
static int compose(const struct sim_config *config, struct conn *c,
                   const struct sim_answer *a, bool is_head)
{
    bool has_body = a->status != 204 && a->status != 304 && !is_head;
    char date[40];
    FILE *out;

    host_date(config, date);
    out = open_memstream(&c->out, &c->out_len);
    if (!out)
        return -ENOMEM;
    if (a->is_raw) {
        (void)fwrite(a->body, 1, a->body_len, out);
        return fclose(out) == 0 ? 0 : -ENOMEM;
    }
    (void)fprintf(out, "HTTP/1.1 %d %s\r\nServer: hostsim\r\n", a->status,
                  reason_of(a->status));
    if (!a->has_own_date)
        (void)fprintf(out, "Date: %s\r\n", date);
    if (a->headers)
        (void)fputs(a->headers, out);
    if (a->body_len)
        (void)fprintf(out, "Content-Type: %s\r\n", a->content_type);
    if (a->is_chunked)
        (void)fputs("Transfer-Encoding: chunked\r\n", out);
    else if (a->status != 204 && a->status != 304)
        (void)fprintf(out, "Content-Length: %zu\r\n", a->body_len);
    if (c->is_closing)
        (void)fputs("Connection: close\r\n", out);
    (void)fputs("\r\n", out);
    for (size_t at = 0; has_body && at < a->body_len;) {
        size_t n = a->body_len - at;

        if (a->is_chunked)
            n = n < 1000 ? n : 1000;
        if (a->is_chunked)
            (void)fprintf(out, "%zx\r\n", n);
        (void)fwrite(a->body + at, 1, n, out);
        if (a->is_chunked)
            (void)fputs("\r\n", out);
        at += n;
    }
    if (a->is_chunked && has_body)
        (void)fputs("0\r\n\r\n", out);
    return fclose(out) == 0 ? 0 : -ENOMEM;
}

/* What the host answers, by mode, verdict and tree. */
static int judge(const struct sim_server *s, struct conn *c,
                 const struct sim_request *req, const char *malformed,
                 struct sim_verdict *v, struct sim_answer *a)
{
    const struct sim_config *config = s->config;
    int r;

    if (malformed) {
        *v = (struct sim_verdict){.why = malformed, .is_root = -1};
        return msp_sim_answer_text(a, 400, "text/plain", "malformed\n");
    }
    if (config->channel && c->endpoint == SIM_WIRESERVER &&
        msp_sim_channel_is(req))
        return msp_sim_channel_answer(
            config->channel, req, time(NULL) + config->clock_offset_s, a, v);
    r = msp_sim_verify(req, &config->key, time(NULL) + config->clock_offset_s,
                       v);
    if (r < 0)
        return r;
    if (config->mode[c->endpoint] == SIM_MODE_ENFORCE &&
        v->outcome != SIM_SIGNED_VALID)
        return msp_sim_answer_text(a, 401, "application/json",
                                   "{\"error\":\"Unauthorized\"}");
    return msp_sim_answer(c->endpoint, req, a);
}

/*
 * Answers one request, readable or not.
 * @return 0; negative: the connection cannot go on
 */
static int answer(const struct sim_server *s, struct conn *c,
                  const struct sim_request *req, const char *malformed)
{
    struct sim_verdict v = {.is_root = -1, .why = ""};
    struct sim_answer a = {0};
    struct sim_entry entry = {.start_ns = c->start_ns,
                              .connection = c->id,
                              .endpoint = c->endpoint,
                              .malformed = malformed,
                              .req = req,
                              .verdict = &v};
    uint64_t delay_ms;
    int r = judge(s, c, req, malformed, &v, &a);

    if (r == 0) {
        c->is_closing = malformed || req->is_close || a.is_closed;
        entry.status = a.is_hang_up ? 0 : a.status;
        entry.end_ns = now_ns();
        r = msp_sim_journal(s->config->journal_fd, &entry);
    }
    if (r == 0 && a.is_hang_up)
        r = -ECONNABORTED;
    if (r == 0)
        r = compose(s->config, c, &a, msp_sim_is(req->method, "HEAD"));
    if (r == 0 && a.cut && a.cut < c->out_len) {
        c->out_len = a.cut;
        c->is_closing = !a.is_stalled;
    }
    free(a.body);
    free(a.headers);
    delay_ms = a.delay_ms + (uint64_t)s->config->delay_ms;
    c->is_answering = true;
    c->out_at = 0;
    c->due_ns = delay_ms ? now_ns() + delay_ms * 1000000ull : 0;
    return r;
}

/* Reads the next request from the buffer, if it is all there. */
static int conn_next(const struct sim_server *s, struct conn *c)
{
    struct sim_request req = {0};
    const char *why = NULL;
    size_t used = 0;
    int r;

    if (c->in_len == 0)
        return c->has_ended ? -ECONNRESET : 0;
    r = msp_sim_read(c->in, c->in_len, &req, &used, &why);
    if (r == 1) {
        msp_sim_request_done(&req);
        return c->has_ended ? -ECONNRESET : 0;
    }
    if (r == 0 || r == -EBADMSG) {
        r = answer(s, c, &req, r == 0 ? NULL : why);
        memmove(c->in, c->in + used, c->in_len - used);
        c->in_len -= used;
        c->start_ns = now_ns();
    }
    msp_sim_request_done(&req);
    return r;
}

static int conn_read(struct conn *c)
{
    ssize_t n;

    if (c->in_cap - c->in_len < READ_BYTES) {
        size_t cap = 2 * c->in_cap + READ_BYTES;
        char *grown =
            cap > 2 * (size_t)IN_BYTES_MAX ? NULL : realloc(c->in, cap);

        if (!grown)
            return -ENOMEM;
        c->in = grown;
        c->in_cap = cap;
    }
    n = read(c->fd, c->in + c->in_len, READ_BYTES);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    if (n == 0)
        c->has_ended = true;
    if (c->in_len == 0)
        c->start_ns = now_ns();
    c->in_len += (size_t)n;
    return 0;
}

static int conn_write(struct conn *c)
{
    while (c->out_at < c->out_len) {
        ssize_t n = send(c->fd, c->out + c->out_at, c->out_len - c->out_at,
                         MSG_NOSIGNAL);

        if (n < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        c->out_at += (size_t)n;
    }
    free(c->out);
    c->out = NULL;
    c->out_len = 0;
    c->is_answering = false;
    return c->is_closing ? -ESHUTDOWN : 0;
}

/* Moves a connection on as far as it goes without waiting. */
static void conn_step(struct sim_server *s, struct conn *c, bool is_readable)
{
    int r = 0;

    if (is_readable && !c->is_answering)
        r = conn_read(c);
    while (r == 0) {
        if (!c->is_answering)
            r = conn_next(s, c);
        if (r < 0 || !c->is_answering)
            break;
        if (c->due_ns && now_ns() < c->due_ns)
            break;
        c->due_ns = 0;
        r = conn_write(c);
        if (r == 0 && c->is_answering)
            break;
    }
    if (r < 0)
        conn_free(s, c);
    else
        conn_watch(s, c);
}

/* Sends what is due; @return ms until the next is, -1 = nothing waits */
static int step_due(struct sim_server *s)
{
    uint64_t now = now_ns();
    uint64_t soonest = 0;
    struct conn *next;

    for (struct conn *c = s->first; c; c = next) {
        next = c->next;
        if (!c->due_ns)
            continue;
        if (c->due_ns <= now)
            conn_step(s, c, false);
        else if (!soonest || c->due_ns < soonest)
            soonest = c->due_ns;
    }
    return soonest ? (int)((soonest - now) / 1000000 + 1) : -1;
}

int msp_sim_server_run(struct sim_server *s, int wake_fd)
{
    struct epoll_event ev[EVENTS] = {{.events = EPOLLIN}};
    bool is_woken = false;

    if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, wake_fd, &ev[0]) < 0)
        return -errno;
    while (!is_woken) {
        int n = epoll_wait(s->epoll_fd, ev, EVENTS, step_due(s));

        if (n < 0 && errno != EINTR)
            return -errno;
        for (int i = 0; i < n; i++) {
            struct conn *c = ev[i].data.ptr;

            if (!c)
                is_woken = true;
            else if (c->is_listener)
                accept_all(s, c);
            else if (ev[i].events & (EPOLLHUP | EPOLLERR))
                conn_free(s, c);
            else
                conn_step(s, c, ev[i].events & EPOLLIN);
        }
    }
    (void)epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, wake_fd, NULL);
    return 0;
}
