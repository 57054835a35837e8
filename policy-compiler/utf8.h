/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Strict UTF-8: no overlong forms, no surrogates, nothing over U+10FFFF. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* @return bytes of the character at text[0..len), 1..4; 0 = malformed */
static inline size_t utf8_char(const char *text, size_t len)
{
    const uint8_t *s = (const uint8_t *)text;
    uint8_t low = 0x80, high = 0xbf;
    size_t n;

    if (len == 0)
        return 0;
    if (s[0] < 0x80)
        return 1;
    if (s[0] < 0xc2 || s[0] > 0xf4)
        return 0;
    n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if (n > len)
        return 0;
    if (s[0] == 0xe0)
        low = 0xa0;
    else if (s[0] == 0xed)
        high = 0x9f;
    else if (s[0] == 0xf0)
        low = 0x90;
    else if (s[0] == 0xf4)
        high = 0x8f;
    if (s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if (s[i] < 0x80 || s[i] > 0xbf)
            return 0;
    return n;
}

static inline bool utf8_valid(const char *text, size_t len)
{
    while (len > 0) {
        size_t n = utf8_char(text, len);

        if (n == 0)
            return false;
        text += n;
        len -= n;
    }
    return true;
}
