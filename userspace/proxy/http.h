/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * HTTP/1 heads without I/O: bytes in, slices or a refusal out. A head is
 * scanned line by line first (what two servers could read differently is
 * refused there), then llhttp in strict mode takes the same bytes apart; both
 * must see the same number of header lines. Knows nothing of policy.
 *
 * Slices point into the caller's buffer and live as long as it does.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <msp/abi.h>

/* X(code, status for the client, "reason in the answer and in the log") */
#define MSP_HTTP_CODES(X)                                             \
    X(OK, 0, "ok")                                                    \
    X(MORE, 0, "incomplete")                                          \
    X(EMPTY_LINE, 400, "empty-first-line")                            \
    X(BARE_CR, 400, "bare-cr")                                        \
    X(BARE_LF, 400, "bare-lf")                                        \
    X(NUL, 400, "nul-byte")                                           \
    X(FOLD, 400, "obs-fold")                                          \
    X(REQUEST_LINE, 400, "request-line")                              \
    X(VERSION, 400, "http-version")                                   \
    X(METHOD, 405, "method")                                          \
    X(LINE_TOO_LONG, 414, "request-line-too-long")                    \
    X(FIELD_TOO_LONG, 431, "header-too-long")                         \
    X(HEAD_TOO_LONG, 431, "head-too-long")                            \
    X(TOO_MANY, 431, "too-many-headers")                              \
    X(SYNTAX, 400, "syntax")                                          \
    X(LENGTH, 400, "content-length")                                  \
    X(LENGTH_TWICE, 400, "duplicate-content-length")                  \
    X(CODING_TWICE, 400, "duplicate-transfer-encoding")               \
    X(CODING_AND_LENGTH, 400, "transfer-encoding-and-content-length") \
    X(CODING_IN_10, 400, "transfer-encoding-in-http-1.0")             \
    X(CODING, 501, "transfer-encoding")                               \
    X(HOST_TWICE, 400, "duplicate-host")                              \
    X(CONNECTION, 400, "connection-names-framing")                    \
    X(OPTIONS, 431, "too-many-connection-options")                    \
    X(EXPECT, 417, "expectation")                                     \
    X(CHUNK, 400, "chunk")                                            \
    X(TOO_LARGE, 413, "body-too-large")                               \
    X(SLOW, 408, "timeout")

enum msp_http_code {
#define MSP_HTTP_ENUM(code, status, text) MSP_HTTP_##code,
    MSP_HTTP_CODES(MSP_HTTP_ENUM)
#undef MSP_HTTP_ENUM
    MSP_HTTP_COUNT,
};

/* Header names that mean something to a proxy. */
enum msp_http_id {
    MSP_HTTP_ID_OTHER = 0,
    MSP_HTTP_ID_HOST,
    MSP_HTTP_ID_CONTENT_LENGTH,
    MSP_HTTP_ID_TRANSFER_ENCODING,
    MSP_HTTP_ID_CONNECTION,
    MSP_HTTP_ID_EXPECT,
    MSP_HTTP_ID_HOP,        /* Keep-Alive, Proxy-*, TE, Trailer, Upgrade */
    MSP_HTTP_ID_AZURE_HOST, /* x-ms-azure-host-* */
};

struct msp_http_header {
    const char *name;
    const char *value; /* trimmed */
    uint16_t name_len;
    uint16_t value_len;
    uint8_t id;      /* enum msp_http_id */
    bool is_dropped; /* not sent on */
};

struct msp_http_head {
    size_t len; /* bytes of the head with its empty line */

    /* request */
    const char *method;
    size_t method_len;
    uint32_t method_bit; /* one of enum msp_method */
    const char *target;
    size_t target_len;

    /* response */
    uint32_t status;
    const char *reason_phrase; /* may be empty */
    size_t reason_len;

    bool is_11; /* HTTP/1.1, else 1.0 */
    bool keeps_alive;
    bool has_length;
    bool is_chunked;
    bool expects_continue;
    uint32_t n_options;                 /* named by Connection */
    uint64_t length;                    /* of the body, valid with has_length */
    const struct msp_http_header *host; /* NULL = none */
    size_t n_headers;
    struct msp_http_header header[MSP_HEADERS_MAX];
};

enum msp_http_kind {
    MSP_HTTP_REQUEST,
    MSP_HTTP_RESPONSE
};

/* Where the scan of a growing buffer stands; all zero to begin with. */
struct msp_http_scan {
    size_t line;    /* offset of the line not yet complete */
    size_t n_lines; /* complete lines, the first one included */
};

/*
 * Looks for the end of a head in bytes that arrive piecemeal.
 * @param buf [len] all bytes since the head began
 * @param ret_len length of the head, on OK
 * @return OK; MORE; a refusal. A prefix of a head gives MORE or what the
 *         whole head gives.
 */
enum msp_http_code msp_http_scan(struct msp_http_scan *scan,
                                 enum msp_http_kind kind, const char *buf,
                                 size_t len, size_t *ret_len);

/*
 * Takes a scanned head apart, decides its framing and marks the headers that
 * end at this hop (is_dropped): Connection and what it names, Keep-Alive,
 * Proxy-*, TE, Trailer, Upgrade, Transfer-Encoding, Content-Length (written
 * anew), of a request also Expect and x-ms-azure-host-*, of a response
 * x-ms-azure-host-authorization.
 * @param buf [len] the head, exactly
 * @param n_lines as the scan counted them
 * @return OK or a refusal; after one, *ret has the method and the target if
 *         they were read
 */
enum msp_http_code msp_http_parse(enum msp_http_kind kind, const char *buf,
                                  size_t len, size_t n_lines,
                                  struct msp_http_head *ret);

/*
 * Whether the Host header names the address the client connected to.
 * @param addr dotted quad
 * @return true also for an HTTP/1.0 request without one
 */
bool msp_http_host_fits(const struct msp_http_head *head, const char *addr,
                        uint16_t port);

/* The method's bit, 0 for one that is refused. */
uint32_t msp_http_method_bit(const char *method, size_t len);

/* ASCII case-insensitive equality of a slice and a text. */
bool msp_http_is(const char *ptr, size_t len, const char *text);

/* Status for the client; 0 for OK and MORE. */
int msp_http_status(enum msp_http_code code);
const char *msp_http_reason(enum msp_http_code code);
