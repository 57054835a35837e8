/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * One socket, step by step, each step one JSON line
 * {"step","arg","result","ns"} with result "ok" or an errno name:
 *   socket=KIND          a new socket: tcp (the default; the first one is
 *                        implied), tcp6, mptcp, mptcp6, udp, udp6
 *   v6only=0|1           IPV6_V6ONLY
 *   bind=ADDR:PORT       SO_REUSEADDR, then bind; IPv6 is [ADDR]:PORT
 *   reuseport            SO_REUSEPORT, before bind
 *   listen
 *   device=NAME          SO_BINDTODEVICE; "" unbinds
 *   options=HEX          IP_OPTIONS
 *   until=FILE           waits until it exists, 30 s times MSP_SLOW
 *   timeout=MS           of requests and `finish` from here on, instead of 5 s
 *   nonblock             connects return at once from here on
 *   connect=ADDR:PORT
 *   deferred=ADDR:PORT   the same with TCP_FASTOPEN_CONNECT
 *   fastopen=ADDR:PORT   the next request connects by MSG_FASTOPEN
 *   threads=ADDR:PORT    two threads connect the same socket at once
 *   uring=ADDR:PORT      IORING_OP_CONNECT; also uring-async (a worker thread
 *                        of the ring) and uring-poll (its poll thread)
 *   finish               waits for a non-blocking connect, result as SO_ERROR
 *   unspec               connect() to AF_UNSPEC: dissolves the association
 *   linger0              close and dissolve send RST
 *   request=TARGET       sends a GET and reads the answer: adds "status",
 *                        0 = closed without one
 *   header=NAME: VALUE   of the requests that follow
 *   host=TEXT            the Host of the requests that follow, instead of the
 *                        address connected to
 *   peer                 adds "addr" as getpeername() says
 *   port                 adds "addr" and "port", the local ones
 *   close
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "client.h"

#define TIMEOUT_S 5

struct walk {
    int fd;
    int timeout_ms;
    bool is_nonblock;
    bool is_fastopen; /* the next request connects */
    char headers[1024];
    const char *host; /* borrowed; NULL = the address */
    struct msp_client_to to;
    char extra[128]; /* further members of the line */
};

struct kind {
    const char *name;
    int family, type, proto;
};

static const struct kind kinds[] = {
    {"", AF_INET, SOCK_STREAM, 0},
    {"tcp", AF_INET, SOCK_STREAM, 0},
    {"tcp6", AF_INET6, SOCK_STREAM, 0},
    {"mptcp", AF_INET, SOCK_STREAM, IPPROTO_MPTCP},
    {"mptcp6", AF_INET6, SOCK_STREAM, IPPROTO_MPTCP},
    {"udp", AF_INET, SOCK_DGRAM, 0},
    {"udp6", AF_INET6, SOCK_DGRAM, 0},
};

static int step_socket(struct walk *w, const char *name)
{
    struct timeval tv = {.tv_sec = TIMEOUT_S};
    const struct kind *k = kinds;

    while (k < kinds + sizeof(kinds) / sizeof(kinds[0]) &&
           strcmp(k->name, name) != 0)
        k++;
    if (k == kinds + sizeof(kinds) / sizeof(kinds[0]))
        return EINVAL;
    if (w->fd >= 0)
        (void)close(w->fd);
    w->fd =
        socket(k->family,
               k->type | SOCK_CLOEXEC | (w->is_nonblock ? SOCK_NONBLOCK : 0),
               k->proto);
    if (w->fd < 0)
        return errno;
    (void)setsockopt(w->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    (void)setsockopt(w->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
    return 0;
}

static int set_flag(const struct walk *w, int level, int name, int value)
{
    return setsockopt(w->fd, level, name, &value, sizeof(value)) < 0 ? errno
                                                                     : 0;
}

static int step_bind(const struct walk *w, const char *arg)
{
    struct msp_client_to to;

    if (msp_client_parse(arg, &to) < 0)
        return EINVAL;
    (void)set_flag(w, SOL_SOCKET, SO_REUSEADDR, 1);
    return bind(w->fd, &to.sa, to.len) < 0 ? errno : 0;
}

static int step_connect(struct walk *w, const char *arg)
{
    if (msp_client_parse(arg, &w->to) < 0)
        return EINVAL;
    return connect(w->fd, &w->to.sa, w->to.len) < 0 ? errno : 0;
}

static int step_deferred(struct walk *w, const char *arg)
{
    int r = set_flag(w, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1);

    return r ? r : step_connect(w, arg);
}

static int step_fastopen(struct walk *w, const char *arg)
{
    w->is_fastopen = true;
    return msp_client_parse(arg, &w->to) < 0 ? EINVAL : 0;
}

/* connect() by other ways than the system call of that name */
static int step_other(struct walk *w, const char *name, const char *arg)
{
    if (msp_client_parse(arg, &w->to) < 0)
        return EINVAL;
    if (strcmp(name, "threads") == 0)
        return msp_client_threads(w->fd, &w->to);
    if (strcmp(name, "uring-async") == 0)
        return msp_client_uring(w->fd, &w->to, MSP_CLIENT_URING_ASYNC);
    if (strcmp(name, "uring-poll") == 0)
        return msp_client_uring(w->fd, &w->to, MSP_CLIENT_URING_POLL);
    return msp_client_uring(w->fd, &w->to, MSP_CLIENT_URING_INLINE);
}

static int step_options(const struct walk *w, const char *hex)
{
    unsigned char bytes[40];
    size_t n = strlen(hex) / 2;

    if (n > sizeof(bytes))
        return EINVAL;
    for (size_t i = 0; i < n; i++)
        if (sscanf(hex + 2 * i, "%2hhx", &bytes[i]) != 1)
            return EINVAL;
    return setsockopt(w->fd, IPPROTO_IP, IP_OPTIONS, bytes, (socklen_t)n) < 0
               ? errno
               : 0;
}

/* How many times slower than usual this machine is, by MSP_SLOW. */
static uint64_t slowness(void)
{
    const char *slow = getenv("MSP_SLOW");

    return slow && atoi(slow) > 0 ? (uint64_t)atoi(slow) : 1;
}

static int step_until(const char *path)
{
    uint64_t end = msp_client_now_ns() + 30000000000ull * slowness();
    struct timespec pause = {.tv_nsec = 5000000};

    while (access(path, F_OK) < 0) {
        if (msp_client_now_ns() > end)
            return ETIMEDOUT;
        (void)nanosleep(&pause, NULL);
    }
    return 0;
}

static int step_finish(const struct walk *w)
{
    struct pollfd p = {.fd = w->fd, .events = POLLOUT};
    socklen_t len = sizeof(int);
    int error = 0;

    if (poll(&p, 1, w->timeout_ms) != 1)
        return ETIMEDOUT;
    (void)getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    return error;
}

static int step_unspec(const struct walk *w)
{
    struct sockaddr addr = {.sa_family = AF_UNSPEC};

    return connect(w->fd, &addr, sizeof(addr)) < 0 ? errno : 0;
}

static ssize_t send_first(struct walk *w, const char *text, size_t n)
{
    if (!w->is_fastopen)
        return send(w->fd, text, n, MSG_NOSIGNAL);
    w->is_fastopen = false;
    return sendto(w->fd, text, n, MSG_NOSIGNAL | MSG_FASTOPEN, &w->to.sa,
                  w->to.len);
}

static int step_request(struct walk *w, const char *target)
{
    char text[4096];
    char host[MSP_CLIENT_HOST_BYTES];
    int status = 0;
    size_t len = 0;
    int n;

    msp_client_host(&w->to, host);
    n = snprintf(text, sizeof(text),
                 "GET %s HTTP/1.1\r\nHost: %s\r\nMetadata: true\r\n%s\r\n",
                 target, w->host ? w->host : host, w->headers);
    (void)snprintf(w->extra, sizeof(w->extra), ",\"status\":0");
    if (send_first(w, text, (size_t)n) != n)
        return errno;
    while (len < sizeof(text) - 1) {
        struct pollfd p = {.fd = w->fd, .events = POLLIN};
        ssize_t got;

        if (poll(&p, 1, w->timeout_ms) != 1)
            return ETIMEDOUT;
        got = recv(w->fd, text + len, sizeof(text) - 1 - len, 0);
        if (got < 0)
            return errno;
        if (got == 0)
            return 0;
        len += (size_t)got;
        text[len] = '\0';
        status = msp_client_status(text);
        if (status != 0 && strstr(text, "\r\n\r\n"))
            break;
    }
    (void)snprintf(w->extra, sizeof(w->extra), ",\"status\":%d", status);
    return 0;
}

static int step_name(struct walk *w, bool is_peer)
{
    struct msp_client_to to = {.len = sizeof(to.in6)};
    char text[MSP_CLIENT_HOST_BYTES] = "";
    int r = is_peer ? getpeername(w->fd, &to.sa, &to.len)
                    : getsockname(w->fd, &to.sa, &to.len);

    if (r < 0)
        return errno;
    if (to.sa.sa_family == AF_INET)
        (void)inet_ntop(AF_INET, &to.in.sin_addr, text, sizeof(text));
    else
        (void)inet_ntop(AF_INET6, &to.in6.sin6_addr, text, sizeof(text));
    (void)snprintf(w->extra, sizeof(w->extra), ",\"addr\":\"%s\",\"port\":%u",
                   text, ntohs(to.in.sin_port));
    return 0;
}

static int step_device(const struct walk *w, const char *arg)
{
    return setsockopt(w->fd, SOL_SOCKET, SO_BINDTODEVICE, arg,
                      (socklen_t)strlen(arg) + 1) < 0
               ? errno
               : 0;
}

static int step_header(struct walk *w, const char *arg)
{
    size_t len = strlen(w->headers);

    if (len + strlen(arg) + 3 > sizeof(w->headers))
        return E2BIG;
    (void)sprintf(w->headers + len, "%s\r\n", arg);
    return 0;
}

static int step_linger(const struct walk *w)
{
    struct linger l = {.l_onoff = 1, .l_linger = 0};

    return setsockopt(w->fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)) < 0 ? errno
                                                                       : 0;
}

static int step_close(struct walk *w)
{
    int r = close(w->fd) < 0 ? errno : 0;

    w->fd = -1;
    return r;
}

/* Steps that prepare a socket. @return an errno value, -1 = no such step */
static int step_prepare(struct walk *w, const char *name, const char *arg)
{
    if (strcmp(name, "socket") == 0)
        return step_socket(w, arg);
    if (strcmp(name, "nonblock") == 0) {
        w->is_nonblock = true;
        return step_socket(w, arg);
    }
    if (strcmp(name, "v6only") == 0)
        return set_flag(w, IPPROTO_IPV6, IPV6_V6ONLY, atoi(arg));
    if (strcmp(name, "reuseport") == 0)
        return set_flag(w, SOL_SOCKET, SO_REUSEPORT, 1);
    if (strcmp(name, "bind") == 0)
        return step_bind(w, arg);
    if (strcmp(name, "listen") == 0)
        return listen(w->fd, 16) < 0 ? errno : 0;
    if (strcmp(name, "device") == 0)
        return step_device(w, arg);
    if (strcmp(name, "options") == 0)
        return step_options(w, arg);
    if (strcmp(name, "linger0") == 0)
        return step_linger(w);
    if (strcmp(name, "until") == 0)
        return step_until(arg);
    if (strcmp(name, "timeout") == 0) {
        w->timeout_ms = atoi(arg);
        return 0;
    }
    return -1;
}

/* @return an errno value, -1 = no such step */
static int step_run(struct walk *w, const char *name, const char *arg)
{
    int r = step_prepare(w, name, arg);

    if (r >= 0)
        return r;
    if (strcmp(name, "connect") == 0)
        return step_connect(w, arg);
    if (strcmp(name, "deferred") == 0)
        return step_deferred(w, arg);
    if (strcmp(name, "fastopen") == 0)
        return step_fastopen(w, arg);
    if (strcmp(name, "threads") == 0 || strncmp(name, "uring", 5) == 0)
        return step_other(w, name, arg);
    if (strcmp(name, "finish") == 0)
        return step_finish(w);
    if (strcmp(name, "unspec") == 0)
        return step_unspec(w);
    if (strcmp(name, "header") == 0)
        return step_header(w, arg);
    if (strcmp(name, "host") == 0) {
        w->host = arg;
        return 0;
    }
    if (strcmp(name, "request") == 0)
        return step_request(w, arg);
    if (strcmp(name, "peer") == 0 || strcmp(name, "port") == 0)
        return step_name(w, name[1] == 'e');
    if (strcmp(name, "close") == 0)
        return step_close(w);
    return -1;
}

static void print_escaped(const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\' || c < 0x20 || c >= 0x7f)
            (void)printf("\\u%04x", c);
        else
            (void)putchar(c);
    }
}

int msp_client_steps(int argc, char **argv)
{
    struct walk w = {.fd = -1, .timeout_ms = TIMEOUT_S * 1000};
    int status = step_socket(&w, "") == 0 ? 0 : 5;

    for (int i = 1; i < argc && status == 0; i++) {
        char *equals = strchr(argv[i], '=');
        const char *arg = equals ? equals + 1 : "";
        uint64_t ns;
        int r;

        if (equals)
            *equals = '\0';
        w.extra[0] = '\0';
        r = step_run(&w, argv[i], arg);
        ns = msp_client_now_ns();
        if (r < 0) {
            (void)fprintf(stderr, "mspclient: no step %s\n", argv[i]);
            status = 2;
            break;
        }
        (void)printf("{\"step\":\"%s\",\"arg\":\"", argv[i]);
        print_escaped(arg);
        (void)printf("\",\"result\":\"%s\"%s,\"ns\":%llu}\n",
                     msp_client_errno(r), w.extra, (unsigned long long)ns);
        (void)fflush(stdout);
    }
    if (w.fd >= 0)
        (void)close(w.fd);
    return status;
}
