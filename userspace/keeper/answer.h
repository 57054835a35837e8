/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Reads one HTTP response into memory of the caller's. Sans-IO: the caller
 * puts bytes at msp_answer_room() and says how many. Framing is the proxy's
 * code (proxy/http.h, proxy/chunk.h); what follows the message is refused.
 */
#pragma once

#include "proxy/chunk.h"
#include "proxy/http.h"

struct msp_answer {
    char *buf;   /* [size], borrowed */
    size_t size; /* bytes */
    size_t len;  /* of them in use */
    struct msp_http_scan scan;
    struct msp_http_head head; /* valid once has_head */
    bool has_head;
    struct msp_chunk chunk;
    size_t raw;      /* chunked: where framing is read next */
    size_t body;     /* offset of the decoded body, */
    size_t body_len; /* and its length */
};

/* @param buf [size], kept until the answer is done with */
void msp_answer_init(struct msp_answer *answer, char *buf, size_t size);

/* Where the next bytes go. @param ret_len how many fit, may be 0 */
char *msp_answer_room(struct msp_answer *answer, size_t *ret_len);

/*
 * Takes `n` bytes that were put into the room.
 * @return 1 the answer is whole; 0 more is needed; -EBADMSG no HTTP, or bytes
 *         after it; -EMSGSIZE larger than the room
 */
int msp_answer_take(struct msp_answer *answer, size_t n);

/* The connection has ended. @return 1 the answer is whole; -ECONNRESET */
int msp_answer_end(struct msp_answer *answer);

/*
 * A header by its name, ASCII case-insensitive; the last one of several.
 * @param ret_len of the value, which has no NUL
 * @return borrowed; NULL there is none
 */
const char *msp_answer_header(const struct msp_answer *answer, const char *name,
                              size_t *ret_len);
