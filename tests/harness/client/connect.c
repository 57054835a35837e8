/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* connect() by other ways: io_uring (raw system calls) and two threads. */
#include <errno.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "client.h"

#define ENTRIES 2

struct ring {
    int fd;
    uint8_t *rings; /* submission and completion, one mapping */
    size_t rings_len;
    struct io_uring_sqe *sqes;
    struct io_uring_params p;
};

static void *ring_map(const struct ring *ring, size_t len, off_t off)
{
    void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                   ring->fd, off);

    return p == MAP_FAILED ? NULL : p;
}

static void ring_done(struct ring *ring)
{
    if (ring->rings)
        (void)munmap(ring->rings, ring->rings_len);
    if (ring->sqes)
        (void)munmap(ring->sqes, ENTRIES * sizeof(*ring->sqes));
    if (ring->fd >= 0)
        (void)close(ring->fd);
}

static int ring_open(struct ring *ring, enum msp_client_uring how)
{
    size_t sq, cq;

    if (how == MSP_CLIENT_URING_POLL) {
        ring->p.flags = IORING_SETUP_SQPOLL;
        ring->p.sq_thread_idle = 1000;
    }
    ring->fd = (int)syscall(SYS_io_uring_setup, ENTRIES, &ring->p);
    if (ring->fd < 0)
        return errno;
    if (!(ring->p.features & IORING_FEAT_SINGLE_MMAP))
        return ENOSYS;
    sq = ring->p.sq_off.array + ring->p.sq_entries * sizeof(uint32_t);
    cq = ring->p.cq_off.cqes + ring->p.cq_entries * sizeof(struct io_uring_cqe);
    ring->rings_len = sq > cq ? sq : cq;
    ring->rings = ring_map(ring, ring->rings_len, IORING_OFF_SQ_RING);
    ring->sqes = ring_map(ring, ENTRIES * sizeof(*ring->sqes), IORING_OFF_SQES);
    return ring->rings && ring->sqes ? 0 : ENOMEM;
}

static int ring_run(const struct ring *ring, const struct io_uring_sqe *sqe)
{
    _Atomic uint32_t *tail =
        (_Atomic uint32_t *)(ring->rings + ring->p.sq_off.tail);
    uint32_t *array = (uint32_t *)(ring->rings + ring->p.sq_off.array);
    const struct io_uring_cqe *cqe =
        (const struct io_uring_cqe *)(ring->rings + ring->p.cq_off.cqes);
    unsigned int flags = IORING_ENTER_GETEVENTS;

    ring->sqes[0] = *sqe;
    array[0] = 0;
    atomic_store_explicit(tail, 1, memory_order_release);
    if (ring->p.flags & IORING_SETUP_SQPOLL)
        flags |= IORING_ENTER_SQ_WAKEUP;
    if (syscall(SYS_io_uring_enter, ring->fd, 1, 1, flags, NULL, 0) < 0)
        return errno;
    return cqe->res < 0 ? -cqe->res : 0;
}

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
    struct ring ring = {.fd = -1};
    int r = ring_open(&ring, how);

    if (r == 0)
        r = ring_run(&ring, &sqe);
    ring_done(&ring);
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
