/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A growable byte buffer with a hard cap. Zero-initialised is empty with no
 * cap set; set `max` before the first append.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct msp_buf {
    uint8_t *data; /* owned */
    size_t len;    /* bytes in use */
    size_t cap;    /* bytes allocated */
    size_t max;    /* never grows beyond */
};

/* Room for `more` bytes after len. @return 0; -E2BIG at max; -ENOMEM */
int msp_buf_reserve(struct msp_buf *buf, size_t more);
int msp_buf_append(struct msp_buf *buf, const void *data, size_t len);
int msp_buf_printf(struct msp_buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Drops the first `len` bytes. */
void msp_buf_consume(struct msp_buf *buf, size_t len);
void msp_buf_done(struct msp_buf *buf);
