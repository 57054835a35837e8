/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What whole connections and packets on loopback cost in three cgroups: with
 * no program, with empty ones, with mspd's. Turns are short and alternate, so
 * that what else the machine does falls on all three.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/connect/bench.h"
#include "bench/report.h"

enum {
    TURNS = 101,
    CONNECTS = 100, /* a turn */
    CHUNKS = 200,
    CHUNK = 65536,
    PACKETS = 500,
    KINDS = 3
};

static int listening(int type, struct sockaddr_in *ret_addr)
{
    socklen_t len = sizeof(*ret_addr);
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

    memset(ret_addr, 0, sizeof(*ret_addr));
    ret_addr->sin_family = AF_INET;
    ret_addr->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)ret_addr, len) < 0 ||
        (type == SOCK_STREAM && listen(fd, 16) < 0) ||
        getsockname(fd, (struct sockaddr *)ret_addr, &len) < 0)
        bench_die("a socket on loopback");
    return fd;
}

static int connected(int type, const struct sockaddr_in *to)
{
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0)
        bench_die("a connection on loopback");
    return fd;
}

/* connect, accept, close of both; a reset leaves nothing in TIME_WAIT. */
static void connections(void)
{
    const struct linger reset = {.l_onoff = 1};
    struct sockaddr_in addr;
    int listener = listening(SOCK_STREAM, &addr);

    for (int i = 0; i < CONNECTS; i++) {
        int fd = connected(SOCK_STREAM, &addr);
        int other = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

        if (other < 0 ||
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) < 0)
            bench_die("accepting");
        (void)close(fd);
        (void)close(other);
    }
    (void)close(listener);
}

static void move(int from, int to, char *chunk)
{
    size_t got = 0;

    if (send(from, chunk, CHUNK, 0) != CHUNK)
        bench_die("sending");
    while (got < CHUNK) {
        ssize_t n = recv(to, chunk, CHUNK, 0);

        if (n <= 0)
            bench_die("receiving");
        got += (size_t)n;
    }
}

static void bulk(void)
{
    static char chunk[CHUNK];
    struct sockaddr_in addr;
    int listener = listening(SOCK_STREAM, &addr);
    int fd = connected(SOCK_STREAM, &addr);
    int other = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

    if (other < 0)
        bench_die("accepting");
    for (int i = 0; i < CHUNKS; i++)
        move(fd, other, chunk);
    (void)close(fd);
    (void)close(other);
    (void)close(listener);
}

/* To a named address each: sendmsg4 judges every one. */
static void packets(void)
{
    struct sockaddr_in addr;
    int to = listening(SOCK_DGRAM, &addr);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    char byte = 'x';

    if (fd < 0)
        bench_die("a socket");
    for (int i = 0; i < PACKETS; i++)
        if (sendto(fd, &byte, 1, 0, (struct sockaddr *)&addr, sizeof(addr)) !=
                1 ||
            recv(to, &byte, 1, 0) != 1)
            bench_die("a datagram on loopback");
    (void)close(fd);
    (void)close(to);
}

/* Median ns of a turn: none, empty, ours. */
static void compare(const struct bench *bench, void (*work)(void),
                    double ret[static KINDS])
{
    const char *const cgroups[KINDS] = {bench->none, bench->empty, bench->work};
    static double ns[KINDS][TURNS];

    for (int turn = -1; turn < TURNS; turn++) {
        for (int kind = 0; kind < KINDS; kind++) {
            double from;

            bench_enter(cgroups[kind]);
            from = bench_now_ns();
            work();
            if (turn >= 0) /* the first warms up */
                ns[kind][turn] = bench_now_ns() - from;
        }
    }
    for (int kind = 0; kind < KINDS; kind++)
        ret[kind] = bench_median(ns[kind], TURNS);
}

void sockets_measure(const struct bench *bench, struct socket_times *ret)
{
    double ns[KINDS];

    compare(bench, connections, ns);
    ret->tcp_points = (ns[2] - ns[1]) / ns[0] * 100;
    compare(bench, bulk, ns);
    ret->bulk_ratio = ns[1] / ns[2];
    compare(bench, packets, ns);
    ret->udp_ratio = ns[1] / ns[2];
}
