/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Chunked coding, strictly: hexadecimal size, optional extension, CRLF, data,
 * CRLF, trailer lines. Finds where a message ends and which bytes are data;
 * copies nothing. Bare CR or LF, NUL and control bytes are refused.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero to begin with. */
struct msp_chunk {
    uint8_t state;
    uint8_t digits; /* of the size so far */
    uint16_t line;  /* bytes of the current extension or trailer line */
    uint32_t extra; /* extension and trailer bytes of the whole message */
    uint64_t left;  /* of the current chunk's data */
};

/* What one step found. */
enum msp_chunk_step {
    MSP_CHUNK_MORE,    /* all bytes taken, message not complete */
    MSP_CHUNK_DATA,    /* *ret_len bytes of data come next at buf[*ret_skip] */
    MSP_CHUNK_TRAILER, /* the same, of trailer lines: they end at this hop */
    MSP_CHUNK_END,     /* the message ends after *ret_skip bytes */
    MSP_CHUNK_BAD,
};

/*
 * Takes framing bytes up to the next data or trailer, the end or the end of
 * `buf`.
 * @param buf [len] raw bytes
 * @param ret_skip framing bytes taken
 * @param ret_len bytes after them, with DATA and TRAILER; taken too
 */
enum msp_chunk_step msp_chunk_next(struct msp_chunk *chunk, const uint8_t *buf,
                                   size_t len, size_t *ret_skip,
                                   size_t *ret_len);
