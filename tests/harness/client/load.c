/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Many short connections of one client, several at a time. Every request
 * carries `x-client-id: ID-SEQ` and `&n=SEQ` after its target; every connection is one JSON line
 *   {"id","seq","kind","port","tries","result","status","start_ns","end_ns"}
 * kind: "own", "foreign" or "direct"; tries: connect() calls it took, more than
 * one where another client held the same tuple;
 * result: "ok" or the errno name of connect, or "eof" for a connection closed
 * without an answer. Options:
 *   --id TEXT --to ADDR:PORT --target TEXT --count N --parallel N
 *   --direct ADDR:PORT --direct-every N   each n-th connection goes there
 *   --foreign TEXT --foreign-every N      each n-th of the others asks that
 *   --ports FIRST-LAST    local ports, taken in turn: tuples are reused
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"

#define PARALLEL_MAX 1024
#define TIMEOUT_NS   (20ull * 1000000000)

struct options {
    const char *id;
    const char *target;
    struct sockaddr_in to;
    struct sockaddr_in direct;
    unsigned long count;
    unsigned long parallel;
    const char *foreign;
    unsigned long direct_every;  /* 0 = never */
    unsigned long foreign_every; /* 0 = never */
    unsigned long port_first;    /* 0 = as the kernel likes */
    unsigned long port_last;
};

enum kind {
    KIND_OWN,
    KIND_FOREIGN,
    KIND_DIRECT
};

static const char *const kind_names[] = {"own", "foreign", "direct"};

struct flow {
    int fd; /* -1 = free */
    unsigned long seq;
    enum kind kind;
    unsigned int tries;
    bool is_connected;
    unsigned int port;
    uint64_t start_ns;
    size_t len;
    char text[2048];
};

struct load {
    const struct options *o;
    int epoll_fd;
    unsigned long next_port;
    unsigned long n_open;
    struct flow flow[PARALLEL_MAX];
};

static void flow_end(struct load *l, struct flow *f, const char *result,
                     int status)
{
    (void)printf("{\"id\":\"%s\",\"seq\":%lu,\"kind\":\"%s\",\"port\":%u,"
                 "\"tries\":%u,\"result\":\"%s\",\"status\":%d,"
                 "\"start_ns\":%llu,\"end_ns\":%llu}\n",
                 l->o->id, f->seq, kind_names[f->kind], f->port, f->tries,
                 result, status, (unsigned long long)f->start_ns,
                 (unsigned long long)msp_client_now_ns());
    if (f->fd >= 0)
        (void)close(f->fd);
    f->fd = -1;
    l->n_open--;
}

/* Binds to the next local port that is free; RST on close frees it at once. */
static int bind_next(struct load *l, struct flow *f)
{
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    unsigned long n = l->o->port_last - l->o->port_first + 1;
    int on = 1;

    if (l->o->port_first == 0)
        return 0;
    (void)setsockopt(f->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    (void)setsockopt(f->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    for (unsigned long i = 0; i < n; i++) {
        struct sockaddr_in addr = {.sin_family = AF_INET};

        f->port = (unsigned int)(l->o->port_first + l->next_port++ % n);
        addr.sin_port = htons((uint16_t)f->port);
        if (bind(f->fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
            return 0;
    }
    return EADDRINUSE;
}

static enum kind kind_of(const struct options *o, unsigned long seq)
{
    if (o->direct_every && seq % o->direct_every == 0)
        return KIND_DIRECT;
    if (o->foreign_every && seq % o->foreign_every == 0)
        return KIND_FOREIGN;
    return KIND_OWN;
}

/* One socket, one connect(). @return 0; an errno value */
static int flow_try(struct load *l, struct flow *f)
{
    const struct options *o = l->o;
    struct epoll_event ev = {.events = EPOLLOUT, .data.ptr = f};
    const struct sockaddr_in *to = f->kind == KIND_DIRECT ? &o->direct : &o->to;
    int error;

    f->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (f->fd < 0)
        return errno;
    error = bind_next(l, f);
    if (error)
        return error;
    f->tries++;
    if (connect(f->fd, (const struct sockaddr *)to, sizeof(*to)) < 0 &&
        errno != EINPROGRESS)
        return errno;
    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, f->fd, &ev) < 0)
        return errno;
    return 0;
}

static void flow_start(struct load *l, struct flow *f, unsigned long seq)
{
    int error;

    *f = (struct flow){.seq = seq, .start_ns = msp_client_now_ns()};
    f->kind = kind_of(l->o, seq);
    l->n_open++;
    /* a tuple in use: another port, until each was tried */
    while ((error = flow_try(l, f)) == EADDRNOTAVAIL &&
           f->tries <= l->o->port_last - l->o->port_first)
        (void)close(f->fd);
    if (error)
        flow_end(l, f, msp_client_errno(error), 0);
}

static void flow_send(struct load *l, struct flow *f)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = f};
    struct sockaddr_in self = {0};
    const struct sockaddr_in *to =
        f->kind == KIND_DIRECT ? &l->o->direct : &l->o->to;
    char host[INET_ADDRSTRLEN];
    socklen_t len = sizeof(int);
    int error = 0;
    int n;

    (void)getsockopt(f->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error) {
        flow_end(l, f, msp_client_errno(error), 0);
        return;
    }
    len = sizeof(self);
    (void)getsockname(f->fd, (struct sockaddr *)&self, &len);
    f->port = ntohs(self.sin_port);
    f->is_connected = true;
    n = snprintf(f->text, sizeof(f->text),
                 "GET %s&n=%lu HTTP/1.1\r\nHost: %s\r\n"
                 "Metadata: true\r\nx-client-id: %s-%lu\r\n"
                 "Connection: close\r\n\r\n",
                 f->kind == KIND_FOREIGN ? l->o->foreign : l->o->target, f->seq,
                 inet_ntop(AF_INET, &to->sin_addr, host, sizeof(host)),
                 l->o->id, f->seq);
    if (send(f->fd, f->text, (size_t)n, MSG_NOSIGNAL) != n) {
        flow_end(l, f, msp_client_errno(errno), 0);
        return;
    }
    (void)epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, f->fd, &ev);
}

static void flow_recv(struct load *l, struct flow *f)
{
    int status;
    ssize_t n = recv(f->fd, f->text + f->len, sizeof(f->text) - 1 - f->len, 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0) {
        flow_end(l, f, msp_client_errno(errno), 0);
        return;
    }
    f->len += (size_t)n;
    f->text[f->len] = '\0';
    if (n > 0 && f->len < sizeof(f->text) - 1 && !strstr(f->text, "\r\n\r\n"))
        return;
    status = msp_client_status(f->text);
    if (status == 0)
        flow_end(l, f, "eof", 0);
    else
        flow_end(l, f, "ok", status);
}

static void expire(struct load *l)
{
    uint64_t now = msp_client_now_ns();

    for (unsigned long i = 0; i < l->o->parallel; i++) {
        if (l->flow[i].fd >= 0 && now - l->flow[i].start_ns > TIMEOUT_NS)
            flow_end(l, &l->flow[i], "timeout", 0);
    }
}

static int load_run(struct load *l)
{
    struct epoll_event ev[64];
    unsigned long seq = 0;

    for (unsigned long i = 0; i < l->o->parallel; i++)
        l->flow[i].fd = -1;
    while (seq < l->o->count || l->n_open > 0) {
        int n;

        for (unsigned long i = 0; i < l->o->parallel; i++) {
            /* one that fails at once makes room for the next */
            while (l->flow[i].fd < 0 && seq < l->o->count)
                flow_start(l, &l->flow[i], seq++);
        }
        n = epoll_wait(l->epoll_fd, ev, 64, l->n_open ? 1000 : 0);
        for (int i = 0; i < n; i++) {
            struct flow *f = ev[i].data.ptr;

            if (f->fd < 0)
                continue;
            if (!f->is_connected)
                flow_send(l, f);
            else
                flow_recv(l, f);
        }
        expire(l);
    }
    return 0;
}

/* "FIRST-LAST" @return 0; -EINVAL */
static int set_ports(struct options *o, const char *text)
{
    char *dash;
    char *end;

    o->port_first = strtoul(text, &dash, 10);
    if (*dash != '-')
        return -EINVAL;
    o->port_last = strtoul(dash + 1, &end, 10);
    return *end || o->port_last > 65535 ? -EINVAL : 0;
}

static int parse(int argc, char **argv, struct options *o)
{
    static const struct option table[] = {
        {"id", required_argument, NULL, 'i'},
        {"to", required_argument, NULL, 't'},
        {"target", required_argument, NULL, 'u'},
        {"count", required_argument, NULL, 'n'},
        {"parallel", required_argument, NULL, 'p'},
        {"direct", required_argument, NULL, 'd'},
        {"direct-every", required_argument, NULL, 'e'},
        {"foreign", required_argument, NULL, 'f'},
        {"foreign-every", required_argument, NULL, 'F'},
        {"ports", required_argument, NULL, 'P'},
        {NULL, 0, NULL, 0},
    };
    int r = 0;
    int c;

    while (r == 0 && (c = getopt_long(argc, argv, "", table, NULL)) >= 0) {
        if (c == 'i')
            o->id = optarg;
        else if (c == 't')
            r = msp_client_addr(optarg, &o->to);
        else if (c == 'u')
            o->target = optarg;
        else if (c == 'n')
            o->count = strtoul(optarg, NULL, 10);
        else if (c == 'p')
            o->parallel = strtoul(optarg, NULL, 10);
        else if (c == 'd')
            r = msp_client_addr(optarg, &o->direct);
        else if (c == 'e')
            o->direct_every = strtoul(optarg, NULL, 10);
        else if (c == 'f')
            o->foreign = optarg;
        else if (c == 'F')
            o->foreign_every = strtoul(optarg, NULL, 10);
        else
            r = c == 'P' ? set_ports(o, optarg) : -EINVAL;
    }
    if (o->parallel == 0 || o->parallel > PARALLEL_MAX || !o->to.sin_port ||
        (o->direct_every && !o->direct.sin_port) ||
        (o->foreign_every && !o->foreign) || o->port_last < o->port_first)
        r = -EINVAL;
    return r;
}

int msp_client_load(int argc, char **argv)
{
    struct options o = {.id = "client",
                        .target = "/metadata/versions?",
                        .count = 1,
                        .parallel = 1};
    struct load *l;
    int r;

    if (parse(argc, argv, &o) < 0)
        return 2;
    l = calloc(1, sizeof(*l));
    if (!l)
        return 5;
    l->o = &o;
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    r = l->epoll_fd < 0 ? 5 : load_run(l);
    if (l->epoll_fd >= 0)
        (void)close(l->epoll_fd);
    free(l);
    return r;
}
