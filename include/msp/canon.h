/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The one canonical form of a request target, shared by the compiler (rule
 * paths) and the proxy (requests). Sans-IO, no allocation. What two servers
 * could read differently is refused, never repaired; the only tolerance is
 * one trailing slash. The verdict falls on this form, the client's own bytes
 * are what is sent.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <msp/limits.h>

/* X(code, "text for people and logs") */
#define MSP_CANON_CODES(X)                                                 \
    X(OK, "ok")                                                            \
    X(NOT_ORIGIN_FORM, "target does not begin with a slash")               \
    X(TOO_LONG, "target too long")                                         \
    X(BYTE, "control, blank or non-ASCII byte")                            \
    X(BAD_ESCAPE, "malformed percent escape")                              \
    X(DOUBLE_ENCODING, "double encoding")                                  \
    X(ENCODED_SPECIAL, "encoded / \\ ? # % ; or control byte in the path") \
    X(BACKSLASH, "backslash")                                              \
    X(SEMICOLON, "semicolon")                                              \
    X(FRAGMENT, "fragment")                                                \
    X(EMPTY_SEGMENT, "empty segment")                                      \
    X(DOT_SEGMENT, "dot segment")                                          \
    X(TRAILING_DOT, "segment ends in a dot or blank")                      \
    X(PAIRS, "too many query pairs")                                       \
    X(EMPTY_KEY, "query pair without a key")                               \
    X(DUPLICATE_KEY, "duplicate query key")                                \
    X(ENCODED_SEPARATOR, "encoded & or = in a query key")                  \
    X(COLLISION, "two query pairs sign alike")                             \
    X(QUERY, "query in a rule path")

enum msp_canon_code {
#define MSP_CANON_ENUM(code, text) MSP_CANON_##code,
    MSP_CANON_CODES(MSP_CANON_ENUM)
#undef MSP_CANON_ENUM
    MSP_CANON_COUNT,
};

/* A slice of msp_canon.buf; not NUL-terminated. */
struct msp_canon_text {
    const char *ptr;
    size_t len;
};

struct msp_canon_pair {
    struct msp_canon_text key;   /* decoded once, ASCII-folded */
    struct msp_canon_text value; /* decoded once, ASCII-folded; may be empty */
};

struct msp_canon {
    struct msp_canon_text path; /* "/" or "/a/b": decoded, folded, no trailing
                                   slash; buf holds a NUL after it */
    size_t n_pairs;
    struct msp_canon_pair pair[MSP_REQ_PAIRS_MAX];
    char buf[2 * MSP_LINE_BYTES_MAX];
};

/*
 * @param target [len] as received: path, then optionally '?' and a query
 * @param ret filled on MSP_CANON_OK; slices point into ret->buf
 * @return MSP_CANON_OK or the first refusal
 */
enum msp_canon_code msp_canon_target(const char *target, size_t len,
                                     struct msp_canon *ret);

/*
 * A rule's path: as msp_canon_target, but without a query.
 * @param ret_path with NUL
 * @return MSP_CANON_OK; a refusal; MSP_CANON_TOO_LONG over
 *         MSP_RULE_PATH_BYTES
 */
enum msp_canon_code msp_canon_rule_path(const char *path, size_t len,
                                        char ret_path[MSP_PATH_KEY_BYTES],
                                        size_t *ret_len);

/* The text of a code. */
const char *msp_canon_text_of(enum msp_canon_code code);

/*
 * First MSP_PAIR_HASH_BYTES of SHA-256 over key, NUL, value, both folded
 * already (a request's come from msp_canon, a rule's are literal text folded
 * by msp_canon_fold).
 * @return 0; -EIO libcrypto failed
 */
int msp_canon_pair_hash(const char *key, size_t key_len, const char *value,
                        size_t value_len,
                        uint8_t ret_hash[MSP_PAIR_HASH_BYTES]);

/* ASCII lower case, in place. */
void msp_canon_fold(char *text, size_t len);
