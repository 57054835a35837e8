/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <errno.h>
#include <linux/aio_abi.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "fdpass.h"

static char request[] = "GET /metadata/versions HTTP/1.1\r\n"
                        "Host: 169.254.169.254\r\nMetadata: true\r\n\r\n";
static const size_t len = sizeof(request) - 1;

static int result_of(ssize_t n)
{
    return n < 0 ? errno : n == (ssize_t)len ? 0 : EIO;
}

static int by_parts(int fd, bool is_message)
{
    struct iovec part[2] = {{request, 10}, {request + 10, len - 10}};
    struct msghdr msg = {.msg_iov = part, .msg_iovlen = 2};

    return result_of(is_message ? sendmsg(fd, &msg, MSG_NOSIGNAL)
                                : writev(fd, part, 2));
}

/* The last byte is none of the stream. */
static int by_oob(int fd)
{
    char urgent[sizeof(request)];
    ssize_t n;

    memcpy(urgent, request, sizeof(urgent));
    n = send(fd, urgent, sizeof(urgent), MSG_NOSIGNAL | MSG_OOB);
    return result_of(n > 0 ? n - 1 : n);
}

static int by_splice(int fd)
{
    int ends[2];

    if (pipe(ends) < 0 || write(ends[1], request, len) != (ssize_t)len)
        return EIO;
    return result_of(splice(ends[0], NULL, fd, NULL, len, 0));
}

static int by_sendfile(int fd)
{
    int file = memfd_create("request", MFD_CLOEXEC);
    off_t at = 0;

    if (file < 0 || write(file, request, len) != (ssize_t)len)
        return EIO;
    return result_of(sendfile(fd, file, &at, len));
}

static int by_zerocopy(int fd)
{
    int one = 1;

    if (setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)) < 0)
        return EIO;
    return result_of(send(fd, request, len, MSG_NOSIGNAL | MSG_ZEROCOPY));
}

static int by_aio(int fd)
{
    struct iocb cb = {.aio_lio_opcode = IOCB_CMD_PWRITE,
                      .aio_fildes = (uint32_t)fd,
                      .aio_buf = (uint64_t)(uintptr_t)request,
                      .aio_nbytes = len};
    struct iocb *list = &cb;
    struct io_event event;
    aio_context_t context = 0;

    if (syscall(SYS_io_setup, 1, &context) < 0)
        return EIO;
    if (syscall(SYS_io_submit, context, 1, &list) < 0)
        return errno;
    if (syscall(SYS_io_getevents, context, 1, 1, &event, NULL) != 1)
        return EIO;
    errno = event.res < 0 ? (int)-event.res : 0;
    return result_of(event.res < 0 ? -1 : (ssize_t)event.res);
}

struct io_uring_sqe fdpass_sqe(int fd, uint8_t opcode)
{
    return (struct io_uring_sqe){.opcode = opcode,
                                 .fd = fd,
                                 .addr = (uint64_t)(uintptr_t)request,
                                 .len = (uint32_t)len};
}

static int by_ring(int fd, const char *way)
{
    struct io_uring_sqe sqe = fdpass_sqe(fd, IORING_OP_SEND);
    struct msp_ring ring;
    int r = msp_ring_open(&ring, strcmp(way, "-poll") == 0);

    if (strcmp(way, "-async") == 0)
        sqe.flags = IOSQE_ASYNC;
    if (strcmp(way, "-write") == 0)
        sqe.opcode = IORING_OP_WRITE;
    if (strcmp(way, "-zc") == 0)
        sqe.opcode = IORING_OP_SEND_ZC;
    if (r == 0)
        r = msp_ring_run(&ring, &sqe);
    msp_ring_done(&ring);
    return r;
}

int fdpass_write(int fd, const char *way)
{
    if (strcmp(way, "write") == 0)
        return result_of(write(fd, request, len));
    if (strcmp(way, "writev") == 0 || strcmp(way, "sendmsg") == 0)
        return by_parts(fd, way[0] == 's');
    if (strcmp(way, "oob") == 0)
        return by_oob(fd);
    if (strcmp(way, "splice") == 0)
        return by_splice(fd);
    if (strcmp(way, "sendfile") == 0)
        return by_sendfile(fd);
    if (strcmp(way, "zerocopy") == 0)
        return by_zerocopy(fd);
    if (strcmp(way, "aio") == 0)
        return by_aio(fd);
    if (strncmp(way, "uring", 5) == 0)
        return by_ring(fd, way + 5);
    return result_of(send(fd, request, len, MSG_NOSIGNAL));
}
