/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The string-to-sign of the Metadata Security Protocol and the header made
 * from it. No I/O, no clock: the date is a header like any other. The bytes
 * follow the reference agent exactly, its oddities included: only the last of
 * repeated headers counts, query pairs are sorted by lower-case name and value
 * run together, pairs that run together alike collapse to the last one.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <msp/limits.h>

#include "http.h"
#include "key.h"

/* "Wed, 23 Apr 2025 12:00:00 GMT" with its NUL */
#define MSP_DATE_BYTES 30
/* "Azure-HMAC-SHA256 <guid> <64 hex digits>" with its NUL */
#define MSP_AUTHORIZATION_BYTES 128
/* Headers of a request that goes out: the client's and ours. */
#define MSP_SEND_HEADERS_MAX (MSP_HEADERS_MAX + 4)

struct msp_sign_request {
    const char *method;
    size_t method_len;
    const char *target; /* as sent: origin-form, or absolute-form */
    size_t target_len;
    const void *body; /* decoded */
    size_t body_len;
    const struct msp_http_header *header; /* [n_headers] as sent, in order */
    size_t n_headers;
};

/* Scratch space; one per worker, contents do not matter. */
struct msp_sign;

/* @return 0; -ENOMEM */
int msp_sign_new(struct msp_sign **ret_sign);
struct msp_sign *msp_sign_free(struct msp_sign *sign); /* NULL */

/*
 * @param ret_value with NUL
 * @return 0; -ENOKEY; -E2BIG larger than any request may be; -EIO
 */
int msp_sign_request(struct msp_sign *sign, struct msp_key *key,
                     const struct msp_sign_request *request,
                     char ret_value[MSP_AUTHORIZATION_BYTES]);

/*
 * The part after the body: header lines, path, canonical query. For tests.
 * @param ret_text borrowed from `sign`, [ret_len]
 * @return 0; -E2BIG
 */
int msp_sign_tail(struct msp_sign *sign, const struct msp_sign_request *request,
                  const char **ret_text, size_t *ret_len);

/*
 * RFC 1123, English, GMT.
 * @param unix_s seconds since 1970; years 1970 to 9999, else clamped
 */
void msp_sign_date(int64_t unix_s, char ret_date[MSP_DATE_BYTES]);
