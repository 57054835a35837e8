/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * bench_host ADDR PORT...: the host behind every candidate of the proxy bench.
 * Answers GET /.../N with N bytes out of memory, keeps connections unless asked
 * not to, and counts, by port, what came signed. On SIGTERM it prints a line a
 * port: "PORT REQUESTS SIGNED". Trusts its peers: no test of anything.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORTS_MAX  8
#define IN_BYTES   8192
#define BODY_MAX   (1u << 20)
#define HEAD_BYTES 160
#define BATCH      64

struct port {
    int fd;
    unsigned number;
    unsigned long n_requests;
    unsigned long n_signed;
};

struct peer {
    struct port *port; /* of the listener, whose own peer has fd = port->fd */
    int fd;
    bool closes;
    bool is_writing; /* out of room: EPOLLOUT is asked for */
    size_t in_len;
    size_t out_at;
    size_t out_len;
    char head[HEAD_BYTES];
    size_t head_len;
    char in[IN_BYTES];
};

static struct port ports[PORTS_MAX];
static size_t n_ports;
static char body[BODY_MAX];
static int epoll_fd;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void watch(struct peer *peer, int op, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = peer};

    if (epoll_ctl(epoll_fd, op, peer->fd, &event) < 0)
        die("epoll_ctl");
}

static struct peer *make_peer(struct port *port, int fd)
{
    struct peer *peer = calloc(1, sizeof(*peer));

    if (!peer)
        die("calloc");
    peer->port = port;
    peer->fd = fd;
    watch(peer, EPOLL_CTL_ADD, EPOLLIN);
    return peer;
}

static void end_peer(struct peer *peer)
{
    (void)close(peer->fd);
    free(peer);
}

/* @return true all of it is out; false blocked, or the peer is gone */
static bool flush(struct peer *peer)
{
    size_t whole = peer->head_len + peer->out_len;

    while (peer->out_at < whole) {
        size_t of_head =
            peer->out_at < peer->head_len ? peer->out_at : peer->head_len;
        struct iovec iov[2] = {
            {peer->head + of_head, peer->head_len - of_head},
            {body, whole - peer->out_at - (peer->head_len - of_head)},
        };
        struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
        ssize_t n = sendmsg(peer->fd, &msg, MSG_NOSIGNAL);

        if (n < 0)
            return false;
        peer->out_at += (size_t)n;
    }
    return true;
}

/* The request that ends before `end`. */
static void answer(struct peer *peer, const char *end)
{
    size_t len = (size_t)(end - peer->in);
    const char *blank = memchr(peer->in + 4, ' ', len - 4);
    const char *slash =
        blank ? memrchr(peer->in, '/', (size_t)(blank - peer->in)) : NULL;
    unsigned long size = slash ? strtoul(slash + 1, NULL, 10) : 0;

    peer->port->n_requests++;
    if (memmem(peer->in, len, "x-ms-azure-host-authorization: Azure-HMAC-", 42))
        peer->port->n_signed++;
    peer->closes = memmem(peer->in, len, "onnection: close", 16) != NULL;
    peer->out_len = size < BODY_MAX ? size : BODY_MAX;
    peer->out_at = 0;
    peer->head_len = (size_t)snprintf(
        peer->head, sizeof(peer->head),
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        "Content-Length: %zu\r\n%s\r\n",
        peer->out_len, peer->closes ? "Connection: close\r\n" : "");
}

/* @return false it has ended */
static bool go_on(struct peer *peer)
{
    for (;;) {
        const char *end;
        ssize_t n;

        if (!flush(peer)) {
            if (errno != EAGAIN)
                return false;
            if (!peer->is_writing)
                watch(peer, EPOLL_CTL_MOD, EPOLLOUT);
            peer->is_writing = true;
            return true;
        }
        if (peer->is_writing)
            watch(peer, EPOLL_CTL_MOD, EPOLLIN);
        peer->is_writing = false;
        if (peer->closes)
            return false;
        end = memmem(peer->in, peer->in_len, "\r\n\r\n", 4);
        if (end) {
            size_t used = (size_t)(end - peer->in) + 4;

            answer(peer, end);
            peer->in_len -= used;
            memmove(peer->in, peer->in + used, peer->in_len);
            continue;
        }
        n = recv(peer->fd, peer->in + peer->in_len,
                 sizeof(peer->in) - peer->in_len, 0);
        if (n < 0 && errno == EAGAIN)
            return true;
        if (n <= 0)
            return false;
        peer->in_len += (size_t)n;
    }
}

static void take_new(struct port *port)
{
    const int one = 1;
    int fd;

    while ((fd = accept4(port->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >=
           0) {
        struct peer *peer;

        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        peer = make_peer(port, fd);
        if (!go_on(peer))
            end_peer(peer);
    }
}

static void open_port(const char *addr, const char *number)
{
    struct port *port = &ports[n_ports++];
    struct sockaddr_in at = {.sin_family = AF_INET};
    const int one = 1;

    port->number = (unsigned)strtoul(number, NULL, 10);
    at.sin_port = htons((uint16_t)port->number);
    port->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (port->fd < 0 || inet_pton(AF_INET, addr, &at.sin_addr) != 1 ||
        setsockopt(port->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
        bind(port->fd, (const struct sockaddr *)&at, sizeof(at)) < 0 ||
        listen(port->fd, 4096) < 0)
        die(number);
    (void)make_peer(port, port->fd);
}

/* Blocked and made readable; nothing else is ever read from it. */
static void watch_signal(struct peer *peer)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    peer->fd = signalfd(-1, &set, SFD_CLOEXEC);
    if (peer->fd < 0)
        die("signalfd");
    watch(peer, EPOLL_CTL_ADD, EPOLLIN);
}

static void print_counts(void)
{
    for (size_t i = 0; i < n_ports; i++)
        (void)printf("%u %lu %lu\n", ports[i].number, ports[i].n_requests,
                     ports[i].n_signed);
}

int main(int argc, char **argv)
{
    static struct peer ending;
    struct epoll_event batch[BATCH];

    if (argc < 3 || argc > 2 + PORTS_MAX) {
        (void)fputs("usage: bench_host ADDR PORT...\n", stderr);
        return 2;
    }
    memset(body, 'x', sizeof(body));
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        die("epoll_create1");
    watch_signal(&ending);
    for (int i = 2; i < argc; i++)
        open_port(argv[1], argv[i]);
    for (;;) {
        int n = epoll_wait(epoll_fd, batch, BATCH, -1);

        for (int i = 0; i < n; i++) {
            struct peer *peer = batch[i].data.ptr;

            if (peer == &ending) {
                print_counts();
                return 0;
            }
            if (peer->fd == peer->port->fd)
                take_new(peer->port);
            else if (!go_on(peer))
                end_peer(peer);
        }
    }
}
