/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "base/escape.h"

#include <stdint.h>
#include <string.h>

/*
 * Takes one UTF-8 sequence (RFC 3629: shortest form, no surrogates).
 * @return its length in bytes, 0 if `s` does not begin with one
 */
static size_t decode(const char *s, uint32_t *ret_code)
{
    const unsigned char *u = (const unsigned char *)s;

    static const struct {
        unsigned char first, last, mask;
        uint32_t least;
    } form[] = {
        {0x01, 0x7f, 0x7f, 0x0},
        {0xc2, 0xdf, 0x1f, 0x80},
        {0xe0, 0xef, 0x0f, 0x800},
        {0xf0, 0xf4, 0x07, 0x10000},
    };

    for (size_t i = 0; i < sizeof(form) / sizeof(form[0]); i++) {
        uint32_t code = u[0] & form[i].mask;

        if (u[0] < form[i].first || u[0] > form[i].last)
            continue;
        for (size_t k = 1; k <= i; k++) {
            if ((u[k] & 0xc0) != 0x80)
                return 0;
            code = code << 6 | (u[k] & 0x3f);
        }
        if (code < form[i].least || code > 0x10ffff ||
            (code >= 0xd800 && code <= 0xdfff))
            return 0;
        *ret_code = code;
        return i + 1;
    }
    return 0;
}

/* C0, DEL, C1, and what breaks or reorders a line. */
static int is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code <= 0x9f) || code == 0x2028 ||
           code == 0x2029 || (code >= 0x202a && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069);
}

size_t msp_escape_text(const char *text, FILE *out)
{
    size_t width = 0;

    while (*text) {
        uint32_t code = 0;
        size_t n = decode(text, &code);

        if (n > 0 && !is_control(code)) {
            if (out)
                (void)fwrite(text, 1, n, out);
            text += n;
            width++;
            continue;
        }
        /* Bytes, not code points: the reader sees what was sent. */
        for (size_t i = 0; i < (n ? n : 1); i++) {
            if (out)
                (void)fprintf(out, "\\x%02x", (unsigned char)*text);
            text++;
            width += 4;
        }
    }
    return width;
}

void msp_escape_json(const char *text, FILE *out)
{
    (void)fputc('"', out);
    while (*text) {
        uint32_t code = 0xfffd;
        size_t n = decode(text, &code);

        if (code == '"' || code == '\\')
            (void)fprintf(out, "\\%c", (int)code);
        else if (n == 0 || is_control(code))
            (void)fprintf(out, "\\u%04x", (unsigned int)code);
        else
            (void)fwrite(text, 1, n, out);
        text += n ? n : 1;
    }
    (void)fputc('"', out);
}
