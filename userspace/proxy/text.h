/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Bytes appended to a fixed buffer; once it is full it stays full. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "http.h"

struct msp_text {
    char *ptr;
    size_t len;
    size_t size;
    bool is_full; /* something did not fit */
};

static inline void msp_text_put(struct msp_text *text, const char *ptr,
                                size_t len)
{
    if (text->is_full || len > text->size - text->len) {
        text->is_full = true;
        return;
    }
    memcpy(text->ptr + text->len, ptr, len);
    text->len += len;
}

static inline void msp_text_puts(struct msp_text *text, const char *string)
{
    msp_text_put(text, string, strlen(string));
}

/* In decimal; printf() would be a fiftieth of a request. */
static inline void msp_text_number(struct msp_text *text, uint64_t number)
{
    char digits[20];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    msp_text_put(text, digits + at, sizeof(digits) - at);
}

static inline void msp_text_header(struct msp_text *text,
                                   const struct msp_http_header *header)
{
    msp_text_put(text, header->name, header->name_len);
    msp_text_put(text, ": ", 2);
    msp_text_put(text, header->value, header->value_len);
    msp_text_put(text, "\r\n", 2);
}
