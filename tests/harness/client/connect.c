/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* connect() by other ways: io_uring and two threads. */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/socket.h>

#include "client.h"
#include "ring.h"

int msp_client_uring(int fd, const struct msp_client_to *to,
                     enum msp_client_uring how)
{
    struct io_uring_sqe sqe = {
        .opcode = IORING_OP_CONNECT,
        .fd = fd,
        .addr = (uint64_t)(uintptr_t)&to->sa,
        .off = to->len,
        .flags = how == MSP_CLIENT_URING_ASYNC ? IOSQE_ASYNC : 0,
    };
    struct msp_ring ring;
    int r = msp_ring_open(&ring, how == MSP_CLIENT_URING_POLL);

    if (r == 0)
        r = msp_ring_run(&ring, &sqe);
    msp_ring_done(&ring);
    return r;
}

struct racer {
    int fd;
    const struct msp_client_to *to;
    pthread_barrier_t *start;
    int error;
};

static void *race(void *data)
{
    struct racer *racer = data;

    (void)pthread_barrier_wait(racer->start);
    if (connect(racer->fd, &racer->to->sa, racer->to->len) < 0)
        racer->error = errno;
    return NULL;
}

int msp_client_threads(int fd, const struct msp_client_to *to)
{
    pthread_barrier_t start;
    struct racer racer[2] = {{fd, to, &start, 0}, {fd, to, &start, 0}};
    pthread_t thread;

    (void)pthread_barrier_init(&start, NULL, 2);
    if (pthread_create(&thread, NULL, race, &racer[1]) != 0)
        return EAGAIN;
    (void)race(&racer[0]);
    (void)pthread_join(thread, NULL);
    (void)pthread_barrier_destroy(&start);
    if (racer[0].error == 0 || racer[1].error == 0)
        return 0;
    return racer[0].error;
}
