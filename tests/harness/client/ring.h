/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* One io_uring by raw system calls, one request at a time. */
#pragma once

#include <linux/io_uring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct msp_ring {
    int fd;
    uint8_t *rings; /* submission and completion, one mapping */
    size_t len;
    struct io_uring_sqe *sqes;
    struct io_uring_params p;
};

/*
 * @param is_polled a thread of the kernel submits, as who opens it now
 * @return 0; an errno value. Release with msp_ring_done in any case.
 */
int msp_ring_open(struct msp_ring *ring, bool is_polled);

/* Submits and waits; a forked child may do so too. @return 0; an errno value */
int msp_ring_run(const struct msp_ring *ring, const struct io_uring_sqe *sqe);

void msp_ring_done(struct msp_ring *ring);
