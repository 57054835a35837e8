/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * bench_floor PORT ADDR PORT: what no proxy can do without. Listens on
 * 127.0.0.1, passes each request to the host on a kept connection and the
 * response back: recv, send, recv, send, and not a byte of it understood but
 * the Content-Length of the response and whether the client wants to close, which
 * it is told in place of the Content-Type.
 * Trusts its peers: no test of anything.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUF_BYTES 32768
#define IDLE_MAX  512
#define BATCH     64

/* A client, or a connection to the host while `other` has it. */
struct end {
    int fd;
    struct end *other; /* NULL: idle */
    struct end *next_dead;
    bool is_host;
    bool closes;
    size_t left; /* of the response, host only */
};

static struct end *idle[IDLE_MAX];
static size_t n_idle;
static struct end *dead; /* freed when no event can name them any more */
static struct sockaddr_in host = {.sin_family = AF_INET};
static char buf[BUF_BYTES];
static int epoll_fd;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static struct end *make_end(int fd, bool is_host)
{
    struct end *end = calloc(1, sizeof(*end));
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = end};
    const int one = 1;

    if (!end || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        die("epoll_ctl");
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    end->fd = fd;
    end->is_host = is_host;
    return end;
}

static void end_end(struct end *end)
{
    (void)close(end->fd);
    end->fd = -1;
    end->next_dead = dead;
    dead = end;
}

static void free_dead(void)
{
    for (struct end *next; dead; dead = next) {
        next = dead->next_dead;
        free(dead);
    }
}

static struct end *take_host(void)
{
    int fd;

    if (n_idle)
        return idle[--n_idle];
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&host, sizeof(host)) < 0)
        die("connect");
    return make_end(fd, true);
}

static void give_back(struct end *end)
{
    end->other->other = NULL;
    end->other = NULL;
    if (n_idle < IDLE_MAX)
        idle[n_idle++] = end;
    else
        end_end(end);
}

/* Both ends block here: what is sent has been asked for. */
static void pass(int fd, size_t n)
{
    for (size_t at = 0; at < n;) {
        ssize_t r = send(fd, buf + at, n - at, MSG_NOSIGNAL);

        if (r < 0)
            return;
        at += (size_t)r;
    }
}

static void on_client(struct end *end)
{
    ssize_t n = recv(end->fd, buf, sizeof(buf), MSG_DONTWAIT);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0 || end->other) {
        if (end->other)
            end_end(end->other); /* with a response on its way */
        end_end(end);
        return;
    }
    end->closes = memmem(buf, (size_t)n, "onnection: close", 16) != NULL;
    if (end->closes) /* a hop's own affair: the host is to stay */
        memcpy(memmem(buf, (size_t)n, "onnection: close", 16),
               "onnection: xxxxx", 16);
    end->other = take_host();
    end->other->other = end;
    pass(end->other->fd, (size_t)n);
}

static void on_host(struct end *end)
{
    ssize_t n = recv(end->fd, buf, sizeof(buf), MSG_DONTWAIT);
    struct end *client = end->other;

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0 || !client)
        die("host");
    if (end->left == 0) {
        const char *length = memmem(buf, (size_t)n, "\r\nContent-Length: ", 18);
        const char *body = memmem(buf, (size_t)n, "\r\n\r\n", 4);

        if (!length || !body)
            die("response");
        if (client->closes)
            memcpy(memmem(buf, (size_t)n, "Content-Type: application/json", 30),
                   "Connection: close\r\nX: 90123456", 30);
        end->left = strtoul(length + 18, NULL, 10) + (size_t)(body - buf) + 4;
    }
    pass(client->fd, (size_t)n);
    end->left -= (size_t)n;
    if (end->left)
        return;
    give_back(end);
    if (client->closes)
        end_end(client);
}

int main(int argc, char **argv)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event batch[BATCH];
    const int one = 1;
    struct end *door;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (argc != 4 || inet_pton(AF_INET, argv[2], &host.sin_addr) != 1) {
        (void)fputs("usage: bench_floor PORT ADDR PORT\n", stderr);
        return 2;
    }
    at.sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10));
    host.sin_port = htons((uint16_t)strtoul(argv[3], NULL, 10));
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0 || fd < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
        bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0 ||
        listen(fd, 4096) < 0)
        die("listen");
    door = make_end(fd, false);
    for (;;) {
        int n = epoll_wait(epoll_fd, batch, BATCH, -1);

        for (int i = 0; i < n; i++) {
            struct end *end = batch[i].data.ptr;

            if (end->fd < 0)
                continue;
            if (end == door) {
                while ((fd = accept4(door->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
                    on_client(make_end(fd, false));
            } else if (end->is_host) {
                on_host(end);
            } else {
                on_client(end);
            }
        }
        free_dead();
    }
}
