/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "keeper/kind.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum {
    LOOK_BYTES = 2048, /* of an error are looked at for its code */
    CODE_BYTES = 64,
};

static bool begins_with(const char *text, size_t len, const char *bytes,
                        size_t n)
{
    return len >= n && memcmp(text, bytes, n) == 0;
}

/* Every other byte of ASCII in UTF-16 is 0, whichever way round. */
static bool is_wide(const char *text, size_t len)
{
    return begins_with(text, len, "\xff\xfe", 2) ||
           begins_with(text, len, "\xfe\xff", 2) ||
           (len >= 2 && (!text[0] || !text[1]));
}

static bool has_mark(const char *text, size_t len)
{
    return begins_with(text, len, "\xef\xbb\xbf", 3);
}

/* The first character, of any of these encodings; 0 = none */
static char first_of(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] > ' ' && text[i] <= '~')
            return text[i];
    return 0;
}

static bool is_blank(const char *text, size_t len)
{
    size_t i = 0;

    while (i < len && isspace((unsigned char)text[i]))
        i++;
    return i == len;
}

const char *msp_kind_of(const char *text, size_t len)
{
    char first = first_of(text, len);

    if (is_wide(text, len))
        return first == '<' ? "XML in UTF-16" : "text in UTF-16";
    if (is_blank(text, len))
        return "empty";
    if (first == '<')
        return "XML";
    return has_mark(text, len) ? "text with a byte order mark" : NULL;
}

/* @return whether there is a code in it */
static bool take_code(const char *text, size_t len, char ret[CODE_BYTES])
{
    static const char open[] = "<Code>";
    char plain[LOOK_BYTES + 1];
    const char *at;
    size_t n = 0;

    for (size_t i = 0; i < len && n < LOOK_BYTES; i++)
        if (text[i])
            plain[n++] = text[i];
    plain[n] = '\0';
    at = strstr(plain, open);
    if (!at)
        return false;
    at += sizeof(open) - 1;
    for (n = 0; n < CODE_BYTES - 1 && isalnum((unsigned char)at[n]); n++)
        ret[n] = at[n];
    ret[n] = '\0';
    return n && at[n] == '<';
}

void msp_kind_of_error(const char *text, size_t len, char ret[MSP_KIND_BYTES])
{
    const char *kind = first_of(text, len) ? msp_kind_of(text, len) : NULL;
    char code[CODE_BYTES];

    ret[0] = '\0';
    if (!kind)
        return;
    (void)snprintf(ret, MSP_KIND_BYTES, "%s", kind);
    if (take_code(text, len, code))
        (void)snprintf(ret, MSP_KIND_BYTES, "%s: %s", kind, code);
}
