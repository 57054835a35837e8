/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "cli/client.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <msp/cleanup.h>

#include "base/io.h"

int msp_client_connect(const char *path, unsigned int timeout_ms)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    /* AF_UNIX connect() waits for a place in the backlog by SO_SNDTIMEO. */
    struct timeval wait = {
        .tv_sec = timeout_ms / 1000,
        .tv_usec = (suseconds_t)(timeout_ms % 1000) * 1000,
    };
    size_t len = strlen(path);
    int r;

    if (len >= sizeof(addr.sun_path))
        return -ENAMETOOLONG;
    memcpy(addr.sun_path, path, len + 1);

    msp_autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) < 0)
        return -errno;
    do {
        r = connect(fd, (const struct sockaddr *)&addr, sizeof(addr));
    } while (r < 0 && errno == EINTR);
    if (r < 0)
        return errno == EAGAIN ? -ETIMEDOUT : -errno;
    return TAKE_FD(fd);
}

/* Waits for `events` until `deadline_ms`. @return 0; -ETIMEDOUT; errno */
static int wait_for(int fd, short events, uint64_t deadline_ms)
{
    for (;;) {
        struct pollfd pfd = {.fd = fd, .events = events};
        uint64_t now_ms = msp_io_now_ms();
        int r;

        if (now_ms >= deadline_ms)
            return -ETIMEDOUT;
        r = poll(&pfd, 1, (int)(deadline_ms - now_ms));
        if (r > 0)
            return 0;
        if (r < 0 && errno != EINTR)
            return -errno;
    }
}

static int send_all(int fd, const void *data, size_t len, uint64_t deadline_ms)
{
    const char *at = data;

    while (len > 0) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        int r;

        if (n >= 0) {
            at += n;
            len -= (size_t)n;
            continue;
        }
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return -errno;
        r = wait_for(fd, POLLOUT, deadline_ms);
        if (r < 0)
            return r;
    }
    return 0;
}

/* @return bytes read, less than `len` only at end of file; errno */
static ssize_t recv_all(int fd, void *data, size_t len, uint64_t deadline_ms)
{
    char *at = data;
    size_t done = 0;

    while (done < len) {
        ssize_t n = recv(fd, at + done, len - done, MSG_DONTWAIT);
        int r;

        if (n > 0) {
            done += (size_t)n;
            continue;
        }
        if (n == 0)
            break;
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return -errno;
        r = wait_for(fd, POLLIN, deadline_ms);
        if (r < 0)
            return r;
    }
    return (ssize_t)done;
}

/* Whether an error of send() means that the daemon stopped reading. */
static bool is_hangup(int r)
{
    return r == -EPIPE || r == -ECONNRESET;
}

static int send_request(int fd, enum msp_ctl_type type,
                        const struct iovec *part, size_t n,
                        uint64_t deadline_ms)
{
    struct msp_ctl_header header = {
        .magic = MSP_CTL_MAGIC,
        .version = MSP_CTL_VERSION,
        .type = (uint16_t)type,
    };
    size_t len = 0;
    int r;

    for (size_t i = 0; i < n; i++) {
        if (part[i].iov_len > UINT32_MAX - len)
            return -EMSGSIZE;
        len += part[i].iov_len;
    }
    header.length = (uint32_t)len;
    r = send_all(fd, &header, sizeof(header), deadline_ms);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = send_all(fd, part[i].iov_base, part[i].iov_len, deadline_ms);
    return r;
}

/* A frame of another version is read too: its header names the number. */
static int check_header(const struct msp_ctl_header *header,
                        enum msp_ctl_type type)
{
    if (header->magic != MSP_CTL_MAGIC)
        return -EPROTO;
    if (header->length > MSP_CTL_REPLY_BYTES_MAX)
        return -EFBIG;
    if (header->version != MSP_CTL_VERSION)
        return 0;
    if (header->status >= MSP_CTL_STATUS_COUNT)
        return -EPROTO;
    /* A refusal of the frame itself may not know the type. */
    if (header->type != type && header->status == MSP_CTL_OK)
        return -EPROTO;
    return 0;
}

static int recv_reply(int fd, enum msp_ctl_type type, uint64_t deadline_ms,
                      struct msp_client_reply *ret_reply)
{
    struct msp_ctl_header header;
    msp_autofree char *payload = NULL;
    ssize_t n;
    int r;

    n = recv_all(fd, &header, sizeof(header), deadline_ms);
    if (n == 0 || n == -ECONNRESET)
        return -ENODATA;
    if (n < 0)
        return (int)n;
    if ((size_t)n < sizeof(header))
        return -EPROTO;
    r = check_header(&header, type);
    if (r < 0)
        return r;
    payload = malloc((size_t)header.length + 1);
    if (!payload)
        return -ENOMEM;
    n = recv_all(fd, payload, header.length, deadline_ms);
    if (n < 0)
        return (int)n;
    if ((size_t)n < header.length)
        return -EPROTO;
    payload[header.length] = '\0';
    *ret_reply = (struct msp_client_reply){
        .status = header.version == MSP_CTL_VERSION
                      ? (enum msp_ctl_status)header.status
                      : MSP_CTL_BAD_VERSION,
        .version = header.version,
        .payload = TAKE_PTR(payload),
        .len = header.length,
    };
    return 0;
}

int msp_client_call(int fd, enum msp_ctl_type type, const struct iovec *part,
                    size_t n, unsigned int timeout_ms,
                    struct msp_client_reply *ret_reply)
{
    uint64_t deadline_ms = msp_io_now_ms() + timeout_ms;
    int r;

    r = send_request(fd, type, part, n, deadline_ms);
    if (r < 0 && !is_hangup(r))
        return r;
    return recv_reply(fd, type, deadline_ms, ret_reply);
}

void msp_client_reply_done(struct msp_client_reply *reply)
{
    free(reply->payload);
    *reply = (struct msp_client_reply){0};
}
