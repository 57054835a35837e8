/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Many connections of one client that want nothing, slowly, until a file
 * exists. By turns they
 *   silent  say nothing
 *   head    send a head, a byte a second
 *   body    send a body, a byte a second
 *   half    send half a head and shut down their side
 *   unread  ask for a large answer and read nothing of it
 *   gone    send half a head and are no more: no FIN, no RST (CAP_NET_ADMIN)
 *   idle    ask once, and stay
 * One that the other side ends stays open here; so many a second are closed
 * and begun anew. Two lines, when the first of each was made and at the end:
 *   {"event","opened","failed","refused","ended"}
 * refused: had an answer of 503, in part at least. Options:
 *   --to ADDR:PORT --count N --again N --until FILE
 *   --large TARGET   what `unread` asks for
 *   --only KIND      no turns
 */
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"

#define COUNT_MAX    16384
#define UNREAD_BYTES 4096
#define TICK_MS      1000
#define BURST        256 /* connects between two looks at the rest */

enum kind {
    SILENT,
    HEAD,
    BODY,
    HALF,
    UNREAD,
    GONE,
    IDLE,
    KINDS
};

static const char *const kinds[KINDS] = {"silent", "head", "body", "half",
                                         "unread", "gone", "idle"};

struct options {
    struct sockaddr_in to;
    const char *until;
    const char *large;
    unsigned long count;
    unsigned long again;
    int only; /* enum kind; -1 = by turns */
};

struct slow {
    int fd; /* -1 = none */
    enum kind kind;
    bool is_connected;
    bool is_ended; /* by the other side */
    size_t n_sent;
};

struct crowd {
    const struct options *o;
    int epoll_fd;
    unsigned long n_opened;
    unsigned long n_failed;
    unsigned long n_refused;
    unsigned long n_ended;
    struct slow slow[COUNT_MAX];
};

static const char start[] = "GET /metadata/versions HTTP/1.1\r\n"
                            "Host: 169.254.169.254\r\nMetadata: true\r\n";
static const char post[] = "POST /metadata/versions HTTP/1.1\r\n"
                           "Host: 169.254.169.254\r\n"
                           "Content-Length: 1000\r\n\r\n";

static void report(const struct crowd *c, const char *event)
{
    (void)printf("{\"event\":\"%s\",\"opened\":%lu,\"failed\":%lu,"
                 "\"refused\":%lu,\"ended\":%lu}\n",
                 event, c->n_opened, c->n_failed, c->n_refused, c->n_ended);
    (void)fflush(stdout);
}

static void say(const struct slow *s, const char *text, size_t len)
{
    (void)!send(s->fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void drop(struct slow *s)
{
    if (s->fd >= 0)
        (void)close(s->fd);
    s->fd = -1;
}

static void begin(struct crowd *c, struct slow *s)
{
    struct epoll_event ev = {.events = EPOLLOUT, .data.ptr = s};
    int few = UNREAD_BYTES;

    *s = (struct slow){.kind = s->kind};
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd >= 0 && s->kind == UNREAD)
        (void)setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &few, sizeof(few));
    if (s->fd < 0 ||
        (connect(s->fd, (const struct sockaddr *)&c->o->to, sizeof(c->o->to)) <
             0 &&
         errno != EINPROGRESS) ||
        epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, s->fd, &ev) < 0) {
        c->n_failed++;
        drop(s);
        return;
    }
    c->n_opened++;
}

/* Away without a word, as when its machine loses power. */
static void vanish(struct slow *s)
{
    const int on = 1;

    say(s, start, sizeof(start) - 1);
    (void)setsockopt(s->fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on));
    drop(s);
}

static void connected(struct crowd *c, struct slow *s)
{
    struct epoll_event ev = {.events = EPOLLRDHUP, .data.ptr = s};
    char text[512];
    int n;

    s->is_connected = true;
    if (s->kind == BODY)
        say(s, post, sizeof(post) - 1);
    if (s->kind == HALF) {
        say(s, start, sizeof(start) - 1);
        (void)shutdown(s->fd, SHUT_WR);
    }
    if (s->kind == UNREAD || s->kind == IDLE) {
        n = snprintf(text, sizeof(text),
                     "GET %s HTTP/1.1\r\nHost: 169.254.169.254\r\n"
                     "Metadata: true\r\n\r\n",
                     s->kind == UNREAD ? c->o->large : "/metadata/versions");
        say(s, text, (size_t)n);
    }
    if (s->kind == GONE)
        vanish(s);
    else
        (void)epoll_ctl(c->epoll_fd, EPOLL_CTL_MOD, s->fd, &ev);
}

static void ended(struct crowd *c, struct slow *s)
{
    char text[16] = "";

    s->is_ended = true;
    c->n_ended++;
    if (recv(s->fd, text, sizeof(text) - 1, MSG_DONTWAIT) > 0 &&
        msp_client_status(text) == 503)
        c->n_refused++;
    (void)epoll_ctl(c->epoll_fd, EPOLL_CTL_DEL, s->fd, NULL);
}

static void look(struct crowd *c, int timeout_ms)
{
    struct epoll_event ev[256];
    int n = epoll_wait(c->epoll_fd, ev, 256, timeout_ms);

    for (int i = 0; i < n; i++) {
        struct slow *s = ev[i].data.ptr;
        int error = 0;
        socklen_t len = sizeof(error);

        if (s->is_connected) {
            ended(c, s);
            continue;
        }
        (void)getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len);
        if (error) {
            c->n_failed++;
            drop(s);
        } else {
            connected(c, s);
        }
    }
}

/* A byte of each that has one to send, and some that ended begin anew. */
static void tick(struct crowd *c)
{
    unsigned long again = c->o->again;

    for (unsigned long i = 0; i < c->o->count; i++) {
        struct slow *s = &c->slow[i];

        if ((s->fd < 0 || s->is_ended) && again) {
            again--;
            drop(s);
            begin(c, s);
        }
        if (s->fd < 0 || !s->is_connected || s->is_ended)
            continue;
        if (s->kind == HEAD)
            say(s, &start[s->n_sent++ % (sizeof(start) - 1)], 1);
        else if (s->kind == BODY)
            say(s, "x", 1);
    }
}

static void crowd_run(struct crowd *c)
{
    uint64_t next_ns;

    for (unsigned long i = 0; i < c->o->count; i++) {
        c->slow[i].kind =
            (enum kind)(c->o->only < 0 ? i % KINDS : (unsigned)c->o->only);
        begin(c, &c->slow[i]);
        if (i % BURST == BURST - 1)
            look(c, 0);
    }
    look(c, 0);
    report(c, "standing");
    next_ns = msp_client_now_ns();
    while (access(c->o->until, F_OK) < 0) {
        uint64_t now_ns = msp_client_now_ns();

        if (now_ns >= next_ns) {
            tick(c);
            next_ns += (uint64_t)TICK_MS * 1000000;
            continue;
        }
        look(c, (int)((next_ns - now_ns) / 1000000) + 1);
    }
    report(c, "end");
}

/* The name of a kind. @return 0; -EINVAL */
static int set_only(struct options *o, const char *text)
{
    for (int i = 0; i < KINDS; i++) {
        if (strcmp(kinds[i], text) != 0)
            continue;
        o->only = i;
        return 0;
    }
    return -EINVAL;
}

static int parse(int argc, char **argv, struct options *o)
{
    static const struct option table[] = {
        {"to", required_argument, NULL, 't'},
        {"count", required_argument, NULL, 'n'},
        {"again", required_argument, NULL, 'a'},
        {"until", required_argument, NULL, 'u'},
        {"large", required_argument, NULL, 'l'},
        {"only", required_argument, NULL, 'o'},
        {NULL, 0, NULL, 0},
    };
    int r = 0;
    int c;

    while (r == 0 && (c = getopt_long(argc, argv, "", table, NULL)) >= 0) {
        if (c == 't')
            r = msp_client_addr(optarg, &o->to);
        else if (c == 'n')
            o->count = strtoul(optarg, NULL, 10);
        else if (c == 'a')
            o->again = strtoul(optarg, NULL, 10);
        else if (c == 'u')
            o->until = optarg;
        else if (c == 'l')
            o->large = optarg;
        else
            r = c == 'o' ? set_only(o, optarg) : -EINVAL;
    }
    if (!o->until || !o->to.sin_port || !o->count || o->count > COUNT_MAX)
        r = -EINVAL;
    return r;
}

int msp_client_slow(int argc, char **argv)
{
    const struct rlimit files = {COUNT_MAX + 64, COUNT_MAX + 64};
    struct options o = {.large = "/sim/size/1000000", .only = -1};
    struct crowd *c;
    int r = 0;

    if (parse(argc, argv, &o) < 0)
        return 2;
    c = calloc(1, sizeof(*c));
    if (!c || setrlimit(RLIMIT_NOFILE, &files) < 0) {
        free(c);
        return 5;
    }
    c->o = &o;
    c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (c->epoll_fd < 0)
        r = 5;
    else
        crowd_run(c);
    free(c);
    return r;
}
