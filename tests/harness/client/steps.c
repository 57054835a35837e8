/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * One socket, step by step, each step one JSON line
 * {"step","arg","result","ns"} with result "ok" or an errno name:
 *   socket               a new TCP socket (the first one is implied)
 *   bind=ADDR:PORT       SO_REUSEADDR, then bind
 *   device=NAME          SO_BINDTODEVICE; "" unbinds
 *   nonblock             connects return at once from here on
 *   connect=ADDR:PORT
 *   finish               waits for a non-blocking connect, result as SO_ERROR
 *   unspec               connect() to AF_UNSPEC: dissolves the association
 *   linger0              close and dissolve send RST
 *   request=TARGET       sends a GET and reads the answer: adds "status",
 *                        0 = closed without one
 *   header=NAME: VALUE   of the requests that follow
 *   host=TEXT            the Host of the requests that follow, instead of the
 *                        address connected to
 *   peer                 adds "addr" as getpeername() says
 *   port                 adds "port", the local one
 *   close
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "client.h"

#define TIMEOUT_S 5

struct walk {
    int fd;
    bool is_nonblock;
    char headers[1024];
    const char *host; /* borrowed; NULL = the address */
    struct sockaddr_in to;
    char extra[128]; /* further members of the line */
};

static int step_socket(struct walk *w)
{
    struct timeval tv = {.tv_sec = TIMEOUT_S};

    if (w->fd >= 0)
        (void)close(w->fd);
    w->fd = socket(
        AF_INET,
        SOCK_STREAM | SOCK_CLOEXEC | (w->is_nonblock ? SOCK_NONBLOCK : 0), 0);
    if (w->fd < 0)
        return errno;
    (void)setsockopt(w->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    (void)setsockopt(w->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
    return 0;
}

static int step_bind(const struct walk *w, const char *arg)
{
    struct sockaddr_in addr;
    int on = 1;

    if (msp_client_addr(arg, &addr) < 0)
        return EINVAL;
    (void)setsockopt(w->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    return bind(w->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ? errno : 0;
}

static int step_connect(struct walk *w, const char *arg)
{
    if (msp_client_addr(arg, &w->to) < 0)
        return EINVAL;
    return connect(w->fd, (struct sockaddr *)&w->to, sizeof(w->to)) < 0 ? errno
                                                                        : 0;
}

static int step_finish(const struct walk *w)
{
    struct pollfd p = {.fd = w->fd, .events = POLLOUT};
    socklen_t len = sizeof(int);
    int error = 0;

    if (poll(&p, 1, TIMEOUT_S * 1000) != 1)
        return ETIMEDOUT;
    (void)getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    return error;
}

static int step_unspec(const struct walk *w)
{
    struct sockaddr addr = {.sa_family = AF_UNSPEC};

    return connect(w->fd, &addr, sizeof(addr)) < 0 ? errno : 0;
}

static int step_request(struct walk *w, const char *target)
{
    char text[4096];
    char host[INET_ADDRSTRLEN] = "";
    int status = 0;
    size_t len = 0;
    int n;

    (void)inet_ntop(AF_INET, &w->to.sin_addr, host, sizeof(host));
    n = snprintf(text, sizeof(text),
                 "GET %s HTTP/1.1\r\nHost: %s\r\nMetadata: true\r\n%s\r\n",
                 target, w->host ? w->host : host, w->headers);
    (void)snprintf(w->extra, sizeof(w->extra), ",\"status\":0");
    if (send(w->fd, text, (size_t)n, MSG_NOSIGNAL) != n)
        return errno;
    while (len < sizeof(text) - 1) {
        struct pollfd p = {.fd = w->fd, .events = POLLIN};
        ssize_t got;

        if (poll(&p, 1, TIMEOUT_S * 1000) != 1)
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
    struct sockaddr_in addr = {0};
    socklen_t len = sizeof(addr);
    char text[INET_ADDRSTRLEN] = "";
    int r = is_peer ? getpeername(w->fd, (struct sockaddr *)&addr, &len)
                    : getsockname(w->fd, (struct sockaddr *)&addr, &len);

    if (r < 0)
        return errno;
    (void)inet_ntop(AF_INET, &addr.sin_addr, text, sizeof(text));
    (void)snprintf(w->extra, sizeof(w->extra), ",\"addr\":\"%s\",\"port\":%u",
                   text, ntohs(addr.sin_port));
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

/* @return an errno value, -1 = no such step */
static int step_run(struct walk *w, const char *name, const char *arg)
{
    if (strcmp(name, "socket") == 0)
        return step_socket(w);
    if (strcmp(name, "nonblock") == 0) {
        w->is_nonblock = true;
        return step_socket(w);
    }
    if (strcmp(name, "bind") == 0)
        return step_bind(w, arg);
    if (strcmp(name, "device") == 0)
        return step_device(w, arg);
    if (strcmp(name, "connect") == 0)
        return step_connect(w, arg);
    if (strcmp(name, "finish") == 0)
        return step_finish(w);
    if (strcmp(name, "unspec") == 0)
        return step_unspec(w);
    if (strcmp(name, "linger0") == 0)
        return step_linger(w);
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
    struct walk w = {.fd = -1};
    int status = step_socket(&w) == 0 ? 0 : 5;

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
