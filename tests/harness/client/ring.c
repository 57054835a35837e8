/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "ring.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ENTRIES 2

static void *map(const struct msp_ring *ring, size_t len, off_t off)
{
    void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                   ring->fd, off);

    return p == MAP_FAILED ? NULL : p;
}

void msp_ring_done(struct msp_ring *ring)
{
    if (ring->rings)
        (void)munmap(ring->rings, ring->len);
    if (ring->sqes)
        (void)munmap(ring->sqes, ENTRIES * sizeof(*ring->sqes));
    if (ring->fd >= 0)
        (void)close(ring->fd);
    *ring = (struct msp_ring){.fd = -1};
}

int msp_ring_open(struct msp_ring *ring, bool is_polled)
{
    size_t sq, cq;

    *ring = (struct msp_ring){.fd = -1};
    if (is_polled) {
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
    ring->len = sq > cq ? sq : cq;
    ring->rings = map(ring, ring->len, IORING_OFF_SQ_RING);
    ring->sqes = map(ring, ENTRIES * sizeof(*ring->sqes), IORING_OFF_SQES);
    return ring->rings && ring->sqes ? 0 : ENOMEM;
}

static _Atomic uint32_t *word(const struct msp_ring *ring, uint32_t off)
{
    return (_Atomic uint32_t *)(ring->rings + off);
}

static void submit(const struct msp_ring *ring, const struct io_uring_sqe *sqe)
{
    _Atomic uint32_t *tail = word(ring, ring->p.sq_off.tail);
    uint32_t *array = (uint32_t *)(ring->rings + ring->p.sq_off.array);
    uint32_t at = atomic_load_explicit(tail, memory_order_acquire);
    uint32_t i = at & (ring->p.sq_entries - 1);

    ring->sqes[i] = *sqe;
    array[i] = i;
    atomic_store_explicit(tail, at + 1, memory_order_release);
}

/* @return 1 its result is in *ret_res; 0 nothing is there yet */
static int take(const struct msp_ring *ring, int *ret_res)
{
    _Atomic uint32_t *head = word(ring, ring->p.cq_off.head);
    _Atomic uint32_t *tail = word(ring, ring->p.cq_off.tail);
    const struct io_uring_cqe *cqes =
        (const struct io_uring_cqe *)(ring->rings + ring->p.cq_off.cqes);
    uint32_t at = atomic_load_explicit(head, memory_order_acquire);
    const struct io_uring_cqe *cqe = &cqes[at & (ring->p.cq_entries - 1)];
    int is_result;

    if (at == atomic_load_explicit(tail, memory_order_acquire))
        return 0;
    is_result = !(cqe->flags & IORING_CQE_F_NOTIF); /* of a zero copy before */
    *ret_res = cqe->res;
    atomic_store_explicit(head, at + 1, memory_order_release);
    return is_result;
}

int msp_ring_run(const struct msp_ring *ring, const struct io_uring_sqe *sqe)
{
    unsigned int flags = IORING_ENTER_GETEVENTS, n = 1;
    int res = 0;

    if (ring->p.flags & IORING_SETUP_SQPOLL)
        flags |= IORING_ENTER_SQ_WAKEUP;
    submit(ring, sqe);
    while (!take(ring, &res)) {
        if (syscall(SYS_io_uring_enter, ring->fd, n, 1, flags, NULL, 0) < 0 &&
            errno != EINTR)
            return errno;
        n = 0; /* it is submitted */
    }
    return res < 0 ? -res : 0;
}
