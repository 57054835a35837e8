/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * bench_pingpong SECONDS CPU CPU: one byte to and fro over a loopback
 * connection, both ends asleep in epoll_wait() in between as a server and its
 * client are, each on a CPU of its own or both on one. Prints p50 and p99 of a
 * round trip in microseconds.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/report.h"

#define SAMPLES_MAX 4000000

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void stay_on(const char *cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(strtoul(cpu, NULL, 10), &set);
    if (sched_setaffinity(0, sizeof(set), &set) < 0)
        die("sched_setaffinity");
}

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

static int epoll_of(int fd)
{
    struct epoll_event event = {.events = EPOLLIN};
    const int one = 1;
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);

    if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0)
        die("epoll");
    return epoll_fd;
}

static void take(int epoll_fd, int fd)
{
    struct epoll_event event;
    char byte;

    if (epoll_wait(epoll_fd, &event, 1, -1) != 1 || recv(fd, &byte, 1, 0) != 1)
        exit(0); /* the other end has finished */
}

static void give(int fd)
{
    if (send(fd, "x", 1, MSG_NOSIGNAL) != 1)
        exit(0);
}

static void serve(int listener, const char *cpu)
{
    int fd = accept(listener, NULL, NULL);
    int epoll_fd;

    if (fd < 0)
        die("accept");
    stay_on(cpu);
    epoll_fd = epoll_of(fd);
    for (;;) {
        take(epoll_fd, fd);
        give(fd);
    }
}

static void measure(const struct sockaddr_in *at, double ns, const char *cpu)
{
    float *sample = malloc(SAMPLES_MAX * sizeof(*sample));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    double start, now, end;
    size_t n = 0;
    int epoll_fd;

    if (!sample || fd < 0 ||
        connect(fd, (const struct sockaddr *)at, sizeof(*at)) < 0)
        die("connect");
    stay_on(cpu);
    epoll_fd = epoll_of(fd);
    start = bench_now_ns();
    end = start + ns;
    while (start < end && n < SAMPLES_MAX) {
        give(fd);
        take(epoll_fd, fd);
        now = bench_now_ns();
        sample[n++] = (float)((now - start) / 1e3);
        start = now;
    }
    qsort(sample, n, sizeof(*sample), by_value);
    (void)printf("%.2f %.2f\n", (double)sample[n / 2],
                 (double)sample[n * 99 / 100]);
    free(sample);
}

int main(int argc, char **argv)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t len = sizeof(at);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pid_t server;

    if (argc != 4) {
        (void)fputs("usage: bench_pingpong SECONDS CPU CPU\n", stderr);
        return 2;
    }
    if (listener < 0 ||
        bind(listener, (const struct sockaddr *)&at, sizeof(at)) < 0 ||
        listen(listener, 1) < 0 ||
        getsockname(listener, (struct sockaddr *)&at, &len) < 0)
        die("listen");
    server = fork();
    if (server < 0)
        die("fork");
    if (server == 0)
        serve(listener, argv[3]);
    measure(&at, strtod(argv[1], NULL) * 1e9, argv[2]);
    (void)kill(server, SIGTERM);
    (void)waitpid(server, NULL, 0);
    return 0;
}
