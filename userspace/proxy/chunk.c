/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "chunk.h"

#include <msp/limits.h>

#define SIZE_DIGITS_MAX 12 /* leading zeros included */
#define LINE_MAX_BYTES  1024
#define EXTRA_MAX_BYTES MSP_HEAD_BYTES_MAX

enum state {
    SIZE = 0,
    EXTENSION,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER_START,
    TRAILER,
    TRAILER_LF,
    END_LF,
};

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* A byte of an extension or a trailer line. */
static bool takes_text(struct msp_chunk *chunk, uint8_t c)
{
    if ((c < 0x20 && c != '\t') || c == 0x7f)
        return false;
    chunk->extra++;
    return ++chunk->line <= LINE_MAX_BYTES && chunk->extra <= EXTRA_MAX_BYTES;
}

static bool takes_size(struct msp_chunk *chunk, uint8_t c)
{
    int value = hex_value(c);

    if (value >= 0) {
        chunk->left = chunk->left << 4 | (uint64_t)value;
        return ++chunk->digits <= SIZE_DIGITS_MAX;
    }
    if (chunk->digits == 0)
        return false;
    chunk->line = 0;
    if (c == '\r') {
        chunk->state = SIZE_LF;
        return true;
    }
    chunk->state = EXTENSION;
    return c == ';' && takes_text(chunk, c);
}

static bool takes_lf(struct msp_chunk *chunk, uint8_t c, enum state next)
{
    chunk->state = (uint8_t)next;
    return c == '\n';
}

/* One byte of framing, any state but DATA and END_LF. */
static bool takes(struct msp_chunk *chunk, uint8_t c)
{
    switch ((enum state)chunk->state) {
    case SIZE:
        return takes_size(chunk, c);
    case EXTENSION:
        if (c != '\r')
            return takes_text(chunk, c);
        chunk->state = SIZE_LF;
        return true;
    case SIZE_LF:
        return takes_lf(chunk, c, chunk->left ? DATA : TRAILER_START);
    case DATA_CR:
        chunk->state = DATA_LF;
        return c == '\r';
    case DATA_LF:
        chunk->digits = 0;
        return takes_lf(chunk, c, SIZE);
    case TRAILER_START:
        chunk->line = 0;
        chunk->state = c == '\r' ? END_LF : TRAILER;
        return c == '\r' ||
               (c != ' ' && c != '\t' && c != ':' && takes_text(chunk, c));
    case TRAILER:
        if (c != '\r')
            return takes_text(chunk, c);
        chunk->state = TRAILER_LF;
        return true;
    case TRAILER_LF:
        return takes_lf(chunk, c, TRAILER_START);
    case DATA:
    case END_LF:
        break;
    }
    return false;
}

/* Whether the next byte, c, is of a trailer line. */
static bool is_trailer(const struct msp_chunk *chunk, uint8_t c)
{
    return chunk->state == TRAILER || chunk->state == TRAILER_LF ||
           (chunk->state == TRAILER_START && c != '\r');
}

static enum msp_chunk_step next_trailer(struct msp_chunk *chunk,
                                        const uint8_t *buf, size_t len,
                                        size_t at, size_t *ret_skip,
                                        size_t *ret_len)
{
    size_t i = at;

    while (i < len && is_trailer(chunk, buf[i])) {
        if (!takes(chunk, buf[i++])) {
            *ret_skip = i;
            return MSP_CHUNK_BAD;
        }
    }
    *ret_skip = at;
    *ret_len = i - at;
    return MSP_CHUNK_TRAILER;
}

enum msp_chunk_step msp_chunk_next(struct msp_chunk *chunk, const uint8_t *buf,
                                   size_t len, size_t *ret_skip,
                                   size_t *ret_len)
{
    size_t i = 0;

    *ret_len = 0;
    while (i < len) {
        if (chunk->state == DATA) {
            size_t n = len - i;

            if (n > chunk->left)
                n = (size_t)chunk->left;
            chunk->left -= n;
            if (chunk->left == 0)
                chunk->state = DATA_CR;
            *ret_skip = i;
            *ret_len = n;
            return MSP_CHUNK_DATA;
        }
        if (is_trailer(chunk, buf[i]))
            return next_trailer(chunk, buf, len, i, ret_skip, ret_len);
        if (chunk->state == END_LF) {
            *ret_skip = i + 1;
            return buf[i] == '\n' ? MSP_CHUNK_END : MSP_CHUNK_BAD;
        }
        if (!takes(chunk, buf[i++])) {
            *ret_skip = i;
            return MSP_CHUNK_BAD;
        }
    }
    *ret_skip = i;
    return MSP_CHUNK_MORE;
}
