/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FIRST_BYTES = 256
};

int msp_buf_reserve(struct msp_buf *buf, size_t more)
{
    size_t need, cap;
    uint8_t *data;

    if (buf->len > buf->max || more > buf->max - buf->len)
        return -E2BIG;
    need = buf->len + more;
    if (need <= buf->cap)
        return 0;
    cap = buf->cap ? buf->cap : FIRST_BYTES;
    while (cap < need)
        cap = cap > buf->max / 2 ? buf->max : 2 * cap;
    if (cap > buf->max)
        cap = buf->max;
    data = realloc(buf->data, cap);
    if (!data)
        return -ENOMEM;
    buf->data = data;
    buf->cap = cap;
    return 0;
}

int msp_buf_append(struct msp_buf *buf, const void *data, size_t len)
{
    int r;

    r = msp_buf_reserve(buf, len);
    if (r < 0)
        return r;
    if (len)
        memcpy(buf->data + buf->len, data, len);
    buf->len += len;
    return 0;
}

int msp_buf_printf(struct msp_buf *buf, const char *format, ...)
{
    va_list args;
    char *text = NULL;
    int n, r;

    va_start(args, format);
    n = vasprintf(&text, format, args);
    va_end(args);
    if (n < 0)
        return -ENOMEM;
    r = msp_buf_append(buf, text, (size_t)n);
    free(text);
    return r;
}

void msp_buf_consume(struct msp_buf *buf, size_t len)
{
    if (len >= buf->len) {
        buf->len = 0;
        return;
    }
    memmove(buf->data, buf->data + len, buf->len - len);
    buf->len -= len;
}

void msp_buf_done(struct msp_buf *buf)
{
    free(buf->data);
    buf->data = NULL;
    buf->len = 0;
    buf->cap = 0;
}
