/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * How long a round trip takes, on one connection, one after the other; both
 * ends asleep in epoll_wait() in between, as a server and its client are.
 *
 *   bench_rtt SECONDS CPU CPU           a byte to and fro over loopback, each
 *                                       end on a CPU
 *   bench_rtt SECONDS CPU ADDRESS PORT PATH
 *                                       an HTTP request and its response, this
 *                                       end on a CPU
 *
 * Prints p50 and p99 in microseconds. Every sample is one that was measured:
 * unlike wrk's, none are added for requests that were not made meanwhile.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/report.h"

#define SAMPLES_MAX    4000000
#define RESPONSE_BYTES 65536
#define ENDS_MAX       100 /* connections in a row that end at once */

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

/* One end of a connection. */
struct end {
    int fd;
    int epoll_fd;
};

static struct end end_of(int fd)
{
    struct epoll_event event = {.events = EPOLLIN};
    struct end end = {fd, epoll_create1(EPOLL_CLOEXEC)};
    const int one = 1;

    if (end.epoll_fd < 0 ||
        epoll_ctl(end.epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0)
        die("epoll");
    return end;
}

static struct end connect_to(const struct sockaddr_in *at)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (const struct sockaddr *)at, sizeof(*at)) < 0)
        die("connect");
    return end_of(fd);
}

static void close_end(const struct end *end)
{
    (void)close(end->fd);
    (void)close(end->epoll_fd);
}

/* @return bytes; 0 the other end has finished */
static size_t take(const struct end *end, char *to, size_t size)
{
    struct epoll_event event;
    ssize_t n;

    if (epoll_wait(end->epoll_fd, &event, 1, -1) != 1)
        die("epoll_wait");
    n = recv(end->fd, to, size, 0);
    return n < 0 ? 0 : (size_t)n;
}

static bool give(const struct end *end, const char *from, size_t n)
{
    return send(end->fd, from, n, MSG_NOSIGNAL) == (ssize_t)n;
}

/* What goes to and fro. */
struct exchange {
    char request[1024];
    size_t len;
    bool is_http; /* else a byte each way */
};

/* @return bytes of a whole response that begins so; 0 not known yet */
static size_t response_bytes(const char *text)
{
    static const char field[] = "\r\ncontent-length:";
    const char *body = strstr(text, "\r\n\r\n"), *line;

    if (!body)
        return 0;
    if (strncmp(text, "HTTP/1.1 200 ", 13)) {
        (void)fprintf(stderr, "bench_rtt: %.*s\n", (int)strcspn(text, "\r"),
                      text);
        exit(1);
    }
    for (line = text; line < body; line++)
        if (!strncasecmp(line, field, sizeof(field) - 1))
            return (size_t)(body + 4 - text) +
                   strtoul(line + sizeof(field) - 1, NULL, 10);
    (void)fputs("bench_rtt: a response without Content-Length\n", stderr);
    exit(1);
}

/* @return whether it came back whole; false: the connection has ended */
static bool go_round(const struct end *end, const struct exchange *what)
{
    static char response[RESPONSE_BYTES + 1];
    size_t n = 0, more, whole = what->is_http ? 0 : 1;

    if (!give(end, what->request, what->len))
        return false;
    do {
        more = take(end, response + n, RESPONSE_BYTES - n);
        n += more;
        response[n] = '\0';
        if (!whole)
            whole = response_bytes(response);
    } while (more && (!whole || n < whole));
    return more != 0;
}

static void print_quantiles(float *sample, size_t n)
{
    if (!n) {
        (void)fputs("bench_rtt: no round trip\n", stderr);
        exit(1);
    }
    qsort(sample, n, sizeof(*sample), by_value);
    (void)printf("%.2f %.2f\n", (double)sample[n / 2],
                 (double)sample[n * 99 / 100]);
}

/* A server that ends a connection now and then gets another one. */
static void measure(const struct sockaddr_in *at, double ns,
                    const struct exchange *what)
{
    float *sample = malloc(SAMPLES_MAX * sizeof(*sample));
    struct end end = connect_to(at);
    double start = bench_now_ns(), last = start + ns, now;
    size_t n = 0;
    int n_ended = 0;

    if (!sample)
        die("malloc");
    while (start < last && n < SAMPLES_MAX) {
        if (go_round(&end, what)) {
            now = bench_now_ns();
            sample[n++] = (float)((now - start) / 1e3);
            start = now;
            n_ended = 0;
            continue;
        }
        close_end(&end);
        if (++n_ended == ENDS_MAX)
            die("the other end");
        end = connect_to(at);
        start = bench_now_ns();
    }
    close_end(&end);
    print_quantiles(sample, n);
    free(sample);
}

static void serve(int listener, const char *cpu)
{
    int fd = accept(listener, NULL, NULL);
    struct end end;
    char byte;

    if (fd < 0)
        die("accept");
    stay_on(cpu);
    end = end_of(fd);
    while (take(&end, &byte, 1) && give(&end, &byte, 1))
        ;
    exit(0);
}

static int ping_pong(char **argv)
{
    const struct exchange byte = {.request = "x", .len = 1};
    struct sockaddr_in at = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t len = sizeof(at);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pid_t server;

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
    stay_on(argv[2]);
    measure(&at, strtod(argv[1], NULL) * 1e9, &byte);
    (void)kill(server, SIGTERM);
    (void)waitpid(server, NULL, 0);
    return 0;
}

static int http(char **argv)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)strtoul(argv[4], NULL, 10)),
    };
    struct exchange get = {.is_http = true};

    if (inet_pton(AF_INET, argv[3], &at.sin_addr) != 1)
        die(argv[3]);
    get.len = (size_t)snprintf(get.request, sizeof(get.request),
                               "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", argv[5],
                               argv[3]);
    if (get.len >= sizeof(get.request))
        die(argv[5]);
    stay_on(argv[2]);
    measure(&at, strtod(argv[1], NULL) * 1e9, &get);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 4)
        return ping_pong(argv);
    if (argc == 6)
        return http(argv);
    (void)fputs("usage: bench_rtt SECONDS CPU CPU\n"
                "       bench_rtt SECONDS CPU ADDRESS PORT PATH\n",
                stderr);
    return 2;
}
