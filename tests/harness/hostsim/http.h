/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The simulator's reader of HTTP/1.x requests, sans-IO. It is deliberately
 * narrow: what two readers could frame differently is malformed, because a
 * delegate that relays such a request is at fault. Shares no source with the
 * product.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_HEAD_BYTES_MAX 65536u
#define SIM_BODY_BYTES_MAX (128u << 20)
#define SIM_HEADERS_MAX    256u

/* Bytes of a request; not NUL-terminated. */
struct sim_text {
    const char *ptr;
    size_t len;
};

struct sim_header {
    struct sim_text name;  /* as received */
    struct sim_text value; /* blanks at both ends removed */
};

/* One request. Every pointer is borrowed from the bytes it was read from,
 * but `body`, which points into `decoded` for a chunked request. */
struct sim_request {
    struct sim_text method;
    struct sim_text target;
    struct sim_text path;  /* of the target, "/" if it has none */
    struct sim_text query; /* after the first '?', empty if none */
    struct sim_text body;
    char *decoded; /* owned */
    size_t n_headers;
    struct sim_header header[SIM_HEADERS_MAX];
    bool is_http10;
    bool is_close; /* the connection ends with this request */
};

/* Empties a request; may be called twice. */
void msp_sim_request_done(struct sim_request *req);

/* Splits a target into path and query, absolute form included. */
void msp_sim_split_target(struct sim_request *req);

/* The last header of this name (ASCII case-insensitive); NULL if none. */
const struct sim_header *msp_sim_find(const struct sim_request *req,
                                      const char *name);

/* True if `text` equals the NUL-terminated `word`, ASCII case-insensitive. */
bool msp_sim_is(struct sim_text text, const char *word);

/* True if two texts are equal, ASCII case-insensitive. */
bool msp_sim_same(struct sim_text a, struct sim_text b);

/*
 * Reads one request from the beginning of buf.
 * @param req zeroed by the caller; filled on success, msp_sim_request_done()
 * @param ret_used bytes of buf the request took
 * @param reterr_why static text on -EBADMSG
 * @return 0; 1 = need more bytes; -EBADMSG malformed (what could be read of
 *         the head is filled in); -ENOMEM
 */
int msp_sim_read(const char *buf, size_t len, struct sim_request *req,
                 size_t *ret_used, const char **reterr_why);
