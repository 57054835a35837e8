/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What design section 8 says of heads and chunked coding, line by line, with
 * no regard to speed. Shares no source with the proxy. A head the proxy takes
 * must be taken here and mean the same.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct naive_header {
    const char *name;  /* [name_len] */
    const char *value; /* [value_len], without blanks at the ends */
    size_t name_len;
    size_t value_len;
    bool is_dropped; /* ends at this hop */
};

struct naive_head {
    bool is_request;
    bool is_11;
    bool keeps_alive;
    bool has_length;
    bool is_chunked;
    bool has_host;
    uint64_t length;
    const char *method;
    size_t method_len;
    const char *target;
    size_t target_len;
    unsigned int status;
    size_t n_headers;
    struct naive_header header[128];
};

/* @param buf [len] a head with its empty line @return whether it is one */
bool naive_head(const char *buf, size_t len, bool is_request,
                struct naive_head *ret);

enum naive_chunked {
    NAIVE_MORE,
    NAIVE_END,
    NAIVE_BAD,
};

/*
 * @param ret_body room for len bytes
 * @param ret_end where the message ends, with END
 */
enum naive_chunked naive_chunked(const uint8_t *buf, size_t len,
                                 uint8_t *ret_body, size_t *ret_body_len,
                                 size_t *ret_end);

/* ASCII case-insensitive. */
bool naive_is(const char *ptr, size_t len, const char *word);
