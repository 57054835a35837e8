/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* A daemon for one exchange, in a thread: what it was asked, what it says. */
#pragma once

#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <msp/ctl.h>

#include "base/io.h"
#include "harness/test.h"

struct fake {
    /* given */
    int fd;           /* listening if is_listener, else connected */
    bool is_listener; /* accept() first */
    bool is_deaf;     /* does not read the request's payload */
    const void *reply;
    size_t reply_len;
    /* found */
    struct msp_ctl_header request;
    char *payload; /* [request.length] */
    bool is_read;
    pthread_t thread;
};

static void *fake_run(void *data)
{
    struct fake *fake = data;
    int fd = fake->fd;

    if (fake->is_listener)
        fd = accept(fake->fd, NULL, NULL);
    if (msp_io_read_full(fd, &fake->request, sizeof(fake->request)) ==
            (ssize_t)sizeof(fake->request) &&
        !fake->is_deaf && fake->request.length < (64u << 20)) {
        fake->payload = calloc(1, (size_t)fake->request.length + 1);
        fake->is_read =
            msp_io_read_full(fd, fake->payload, fake->request.length) ==
            (ssize_t)fake->request.length;
    }
    if (fake->reply_len)
        (void)msp_io_write_full(fd, fake->reply, fake->reply_len);
    (void)close(fd);
    return NULL;
}

static inline void fake_start(struct fake *fake)
{
    assert_ok(pthread_create(&fake->thread, NULL, fake_run, fake));
}

static inline void fake_join(struct fake *fake)
{
    assert_ok(pthread_join(fake->thread, NULL));
}

static inline void fake_done(struct fake *fake)
{
    free(fake->payload);
    if (fake->is_listener)
        (void)close(fake->fd);
}

/* A listening socket; `path` is of a directory the caller removes. */
static inline int fake_listen(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_true(strlen(path) < sizeof(addr.sun_path));
    memcpy(addr.sun_path, path, strlen(path) + 1);
    assert_ok(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)));
    assert_ok(listen(fd, 1));
    return fd;
}

/* A frame in `ret`; returns its bytes. */
static inline size_t fake_frame(char *ret, size_t size,
                                struct msp_ctl_header header,
                                const char *payload, size_t len)
{
    header.length = (uint32_t)len;
    assert_true(sizeof(header) + len <= size);
    memcpy(ret, &header, sizeof(header));
    if (len)
        memcpy(ret + sizeof(header), payload, len);
    return sizeof(header) + len;
}
