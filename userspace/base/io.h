/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * System calls with EINTR, short counts, CLOEXEC and SCM_RIGHTS done once.
 * Everything returns 0 or a count, or a negative errno.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Reads until `len` bytes or end of file. @return bytes read */
ssize_t msp_io_read_full(int fd, void *buf, size_t len);
/* Writes all of it. @return 0 */
int msp_io_write_full(int fd, const void *buf, size_t len);

/*
 * Reads a whole file or pipe.
 * @param ret_data [ret_len] plus a NUL that is not counted; free()
 * @return 0; -EFBIG more than `max` bytes
 */
int msp_io_slurp(int fd, size_t max, char **ret_data, size_t *ret_len);

/* SOCK_SEQPACKET pair, CLOEXEC, non-blocking. */
int msp_io_pair(int ret_pair[2]);

/*
 * Sends one packet and at most one descriptor (fd -1 = none).
 * @return 0; -EAGAIN the peer is slow; -EPIPE it is gone
 */
int msp_io_send(int sock, const void *buf, size_t len, int fd);

/*
 * Receives one packet and at most one descriptor (CLOEXEC; -1 = none);
 * surplus descriptors are closed and the packet refused with -EPROTO.
 * @return bytes; 0 end of file; -EAGAIN; -EMSGSIZE longer than `len`
 */
ssize_t msp_io_recv(int sock, void *buf, size_t len, int *ret_fd);

/* Number of the network namespace the thread is in. @return 0 */
int msp_io_netns_cookie(uint64_t *ret_cookie);

/* CLOCK_MONOTONIC. */
uint64_t msp_io_now_ms(void);
uint64_t msp_io_now_ns(void);
