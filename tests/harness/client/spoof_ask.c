/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The request itself. No stdio and no heap: it also runs in a vfork child. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "spoof.h"

#define TIMEOUT_MS 10000

static const char *demand(const char *name)
{
    const char *value = getenv(name);

    if (!value) {
        errno = EINVAL;
        spoof_die(name);
    }
    return value;
}

void spoof_hold_for(pid_t pid)
{
    char go;

    if (!getenv("MSP_HOLD"))
        return;
    (void)dprintf(SPOOF_READY_FD, "%d\n", (int)pid);
    while (read(SPOOF_GO_FD, &go, 1) < 0) {
        if (errno != EINTR)
            spoof_die("hold");
    }
}

void spoof_hold(void)
{
    spoof_hold_for(getpid());
}

void spoof_to(struct msp_client_to *ret)
{
    if (msp_client_parse(demand("MSP_TO"), ret) < 0) {
        errno = EINVAL;
        spoof_die("MSP_TO");
    }
}

/* @return the number of an environment variable; `other` if it is not there */
static long number_of(const char *name, long other)
{
    const char *value = getenv(name);

    return value ? strtol(value, NULL, 10) : other;
}

static struct timeval timeout(void)
{
    long ms =
        number_of("MSP_TIMEOUT_MS", TIMEOUT_MS * number_of("MSP_SLOW", 1));

    return (struct timeval){.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
}

static int new_socket(const struct msp_client_to *to)
{
    struct timeval tv = timeout();
    int fd = socket(to->sa.sa_family, SOCK_STREAM, 0);

    if (fd < 0)
        spoof_die("socket");
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    return fd;
}

int spoof_connect(void)
{
    struct msp_client_to to;
    int fd, r;

    spoof_to(&to);
    fd = new_socket(&to);
    if (connect(fd, &to.sa, to.len) == 0)
        return fd;
    r = -errno;
    (void)close(fd);
    return r;
}

/*
 * A socket with a timeout is interrupted by what no program asked for: work that
 * io_uring gives back to the thread that submitted it, SIGCONT.
 * @return as recv(); negative errno, ETIMEDOUT for the timeout
 */
static ssize_t receive(int fd, char *ret, size_t len)
{
    ssize_t r;

    do
        r = recv(fd, ret, len, 0);
    while (r < 0 && errno == EINTR);
    if (r >= 0)
        return r;
    return errno == EAGAIN ? -ETIMEDOUT : -errno;
}

int spoof_request(int fd, const char *id)
{
    char text[4096], host[MSP_CLIENT_HOST_BYTES];
    struct msp_client_to to;
    size_t n = 0;
    ssize_t r;
    int len;

    spoof_to(&to);
    msp_client_host(&to, host);
    len = snprintf(text, sizeof(text),
                   "GET %s HTTP/1.1\r\nHost: %s\r\nMetadata: true\r\n"
                   "x-ms-version: 2012-11-30\r\nx-client-id: %s\r\n"
                   "Connection: close\r\n\r\n",
                   demand("MSP_TARGET"), host, id);
    r = send(fd, text, (size_t)len, MSG_NOSIGNAL);
    if (r != len)
        return r < 0 ? -errno : -EMSGSIZE;
    while (n < sizeof(text) - 1) {
        r = receive(fd, text + n, sizeof(text) - 1 - n);
        if (r <= 0)
            break;
        n += (size_t)r;
    }
    text[n] = '\0';
    len = msp_client_status(text);
    return len == 0 && r < 0 ? (int)r : len;
}

/* Requests on fd, or says why there is none. @return exit status */
static int finish(int fd)
{
    int status = fd;

    if (fd >= 0) {
        status = spoof_request(fd, demand("MSP_ID"));
        (void)close(fd);
    }
    if (status < 0)
        (void)dprintf(STDOUT_FILENO, "%s\n", msp_client_errno(-status));
    else if (status)
        (void)dprintf(STDOUT_FILENO, "%d\n", status);
    else
        (void)dprintf(STDOUT_FILENO, "EOF\n");
    return status == 200 ? 0 : 1;
}

int spoof_ask(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    spoof_hold();
    return finish(spoof_connect());
}

int spoof_resume(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    spoof_hold();
    return finish(SPOOF_SOCK_FD);
}

int spoof_uring(int argc, char **argv)
{
    enum msp_client_uring how = MSP_CLIENT_URING_INLINE;
    struct msp_client_to to;
    int fd, r;

    (void)argc;
    if (strcmp(argv[1], "async") == 0)
        how = MSP_CLIENT_URING_ASYNC;
    else if (strcmp(argv[1], "poll") == 0)
        how = MSP_CLIENT_URING_POLL;
    spoof_hold();
    spoof_to(&to);
    fd = new_socket(&to);
    r = msp_client_uring(fd, &to, how);
    return finish(r ? -r : fd);
}
