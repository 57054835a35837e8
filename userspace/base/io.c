/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "base/io.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <msp/cleanup.h>

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71 /* linux/asm-generic/socket.h, 5.14 */
#endif

enum {
    SLURP_BYTES = 4096,
    FDS_MAX = 8, /* room to notice surplus descriptors */
};

union control {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
};

ssize_t msp_io_read_full(int fd, void *buf, size_t len)
{
    size_t done = 0;
    ssize_t n;

    while (done < len) {
        n = read(fd, (char *)buf + done, len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

int msp_io_write_full(int fd, const void *buf, size_t len)
{
    size_t done = 0;
    ssize_t n;

    while (done < len) {
        n = write(fd, (const char *)buf + done, len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        done += (size_t)n;
    }
    return 0;
}

int msp_io_slurp(int fd, size_t max, char **ret_data, size_t *ret_len)
{
    msp_autofree char *data = NULL;
    size_t len = 0, cap = 0;
    ssize_t n;

    do {
        if (cap - len < SLURP_BYTES) {
            size_t more = cap ? 2 * cap : 2 * SLURP_BYTES;
            char *bigger = realloc(data, more);

            if (!bigger)
                return -ENOMEM;
            data = bigger;
            cap = more;
        }
        n = msp_io_read_full(fd, data + len, cap - len - 1);
        if (n < 0)
            return (int)n;
        len += (size_t)n;
        if (len > max)
            return -EFBIG;
    } while (n > 0);
    data[len] = '\0';
    *ret_data = TAKE_PTR(data);
    *ret_len = len;
    return 0;
}

int msp_io_pair(int ret_pair[2])
{
    int type = SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK;

    return socketpair(AF_UNIX, type, 0, ret_pair) < 0 ? -errno : 0;
}

int msp_io_send(int sock, const void *buf, size_t len, int fd)
{
    /* struct iovec has no const; sendmsg only reads */
    struct iovec iov = {.iov_len = len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    union control control = {0};
    ssize_t n;

    memcpy(&iov.iov_base, &buf, sizeof(buf));
    if (fd >= 0) {
        control.head.cmsg_len = CMSG_LEN(sizeof(int));
        control.head.cmsg_level = SOL_SOCKET;
        control.head.cmsg_type = SCM_RIGHTS;
        memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
        msg.msg_control = control.bytes;
        msg.msg_controllen = CMSG_SPACE(sizeof(int));
    }
    do {
        n = sendmsg(sock, &msg, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == ECONNRESET ? -EPIPE : -errno;
    return (size_t)n == len ? 0 : -EIO;
}

/* Takes every descriptor of a message out. @return their number */
static size_t take_fds(struct msghdr *msg, int fds[FDS_MAX])
{
    size_t n_fds = 0;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        size_t n;

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
            if (n_fds < FDS_MAX)
                fds[n_fds++] = fd;
            else
                (void)close(fd);
        }
    }
    return n_fds;
}

ssize_t msp_io_recv(int sock, void *buf, size_t len, int *ret_fd)
{
    struct iovec iov = {.iov_base = buf, .iov_len = len};
    union control control = {0};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};
    int fds[FDS_MAX];
    size_t n_fds;
    ssize_t n;

    do {
        n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == ECONNRESET ? 0 : -errno;
    n_fds = take_fds(&msg, fds);
    if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC) || n_fds > 1) {
        for (size_t i = 0; i < n_fds; i++)
            (void)close(fds[i]);
        return msg.msg_flags & MSG_TRUNC ? -EMSGSIZE : -EPROTO;
    }
    *ret_fd = n_fds ? fds[0] : -1;
    return n;
}

int msp_io_netns_cookie(uint64_t *ret_cookie)
{
    msp_autoclose int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t len = sizeof(*ret_cookie);

    if (sock < 0 ||
        getsockopt(sock, SOL_SOCKET, SO_NETNS_COOKIE, ret_cookie, &len) < 0)
        return -errno;
    return 0;
}

uint64_t msp_io_now_ns(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t msp_io_now_ms(void)
{
    return msp_io_now_ns() / 1000000u;
}
