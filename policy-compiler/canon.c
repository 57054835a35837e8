/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <stdbool.h>
#include <string.h>

#include <msp/canon.h>
#include <msp/cleanup.h>

#include "utf8.h"

_Static_assert(sizeof(((struct msp_canon *)0)->buf) >=
                   MSP_LINE_BYTES_MAX + 2 * MSP_REQ_PAIRS_MAX + 2,
               "decoding never grows, the NULs must fit too");

/* One query pair as it came, for the signing key of msp_canon_collide(). */
struct raw_pair {
    struct msp_canon_text name;
    struct msp_canon_text value;
};

static const char *const code_text[] = {
#define CODE_TEXT(code, text) [MSP_CANON_##code] = (text),
    MSP_CANON_CODES(CODE_TEXT)
#undef CODE_TEXT
};
_Static_assert(ARRAY_SIZE(code_text) == MSP_CANON_COUNT, "code_text");

const char *msp_canon_text_of(enum msp_canon_code code)
{
    if ((unsigned int)code >= MSP_CANON_COUNT)
        return "unknown";
    return code_text[code];
}

static char fold(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

void msp_canon_fold(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        text[i] = fold(text[i]);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = fold(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

static bool is_ascii(char c)
{
    return (unsigned char)c < 0x80;
}

/* What may not stand in a target as itself, wherever it stands. */
static enum msp_canon_code check_raw(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = text[i];

        if (is_control(c) || c == ' ' || !is_ascii(c))
            return MSP_CANON_BYTE;
        if (c == '#')
            return MSP_CANON_FRAGMENT;
        if (c == '\\')
            return MSP_CANON_BACKSLASH;
        if (c == ';')
            return MSP_CANON_SEMICOLON;
        if (c != '%')
            continue;
        if (len - i < 3 || hex_value(text[i + 1]) < 0 ||
            hex_value(text[i + 2]) < 0)
            return MSP_CANON_BAD_ESCAPE;
        i += 2;
    }
    return MSP_CANON_OK;
}

/*
 * Decodes the escape or the byte at text[*pos], which check_raw() passed.
 * @param ret_escaped whether it was an escape
 */
static char decode_one(const char *text, size_t *pos, bool *ret_escaped)
{
    char c = text[*pos];

    *ret_escaped = c == '%';
    if (*ret_escaped) {
        c = (char)((unsigned int)hex_value(text[*pos + 1]) * 16 +
                   (unsigned int)hex_value(text[*pos + 2]));
        *pos += 2;
    }
    *pos += 1;
    return c;
}

/* Whether a decoded text holds what a second decoder would decode again. */
static bool is_encoded_again(const char *text, size_t len)
{
    for (size_t i = 0; i + 2 < len; i++)
        if (text[i] == '%' && hex_value(text[i + 1]) >= 0 &&
            hex_value(text[i + 2]) >= 0)
            return true;
    return false;
}

/* text[0..len) of one decoded segment, without its slashes. */
static enum msp_canon_code check_segment(const char *text, size_t len)
{
    if (len == 0)
        return MSP_CANON_EMPTY_SEGMENT;
    if ((len == 1 && text[0] == '.') ||
        (len == 2 && text[0] == '.' && text[1] == '.'))
        return MSP_CANON_DOT_SEGMENT;
    if (text[len - 1] == '.' || text[len - 1] == ' ')
        return MSP_CANON_TRAILING_DOT;
    return MSP_CANON_OK;
}

/* text[0..len) begins with a slash and is longer than that. */
static enum msp_canon_code check_segments(const char *text, size_t len)
{
    size_t start = 1;

    for (size_t i = 1; i <= len; i++) {
        enum msp_canon_code code;

        if (i < len && text[i] != '/')
            continue;
        code = check_segment(text + start, i - start);
        if (code != MSP_CANON_OK)
            return code;
        start = i + 1;
    }
    return MSP_CANON_OK;
}

/*
 * Decodes and folds a path that passed check_raw().
 * @param out room for len bytes and a NUL
 */
static enum msp_canon_code canon_path(const char *path, size_t len, char *out,
                                      size_t *ret_len)
{
    bool is_special = false;
    size_t n = 0;

    for (size_t pos = 0; pos < len;) {
        bool is_escaped;
        char c = decode_one(path, &pos, &is_escaped);

        if (is_escaped && !is_ascii(c))
            return MSP_CANON_BYTE;
        if (is_escaped && (is_control(c) || strchr("/\\?#%;", c)))
            is_special = true;
        out[n++] = fold(c);
    }
    /* The more telling of two refusals: an escaped % is special as well. */
    if (is_encoded_again(out, n))
        return MSP_CANON_DOUBLE_ENCODING;
    if (is_special)
        return MSP_CANON_ENCODED_SPECIAL;

    if (n > 1) {
        enum msp_canon_code code;

        if (out[n - 1] == '/')
            n--;
        if (n == 1)
            return MSP_CANON_EMPTY_SEGMENT; /* "//" */
        code = check_segments(out, n);
        if (code != MSP_CANON_OK)
            return code;
    }
    out[n] = '\0';
    *ret_len = n;
    return MSP_CANON_OK;
}

/*
 * Decodes and folds one half of a pair.
 * @param cursor in/out, where to write
 */
static enum msp_canon_code canon_text(struct msp_canon_text raw, bool is_key,
                                      char **cursor, struct msp_canon_text *ret)
{
    char *out = *cursor;
    size_t n = 0;

    for (size_t pos = 0; pos < raw.len;) {
        bool is_escaped;
        char c = decode_one(raw.ptr, &pos, &is_escaped);

        if (is_control(c))
            return MSP_CANON_BYTE;
        if (is_key && is_escaped && (c == '&' || c == '='))
            return MSP_CANON_ENCODED_SEPARATOR;
        /* A key that only a Unicode-folding server takes for another. */
        if (is_key && !is_ascii(c))
            return MSP_CANON_BYTE;
        out[n++] = fold(c);
    }
    if (is_encoded_again(out, n))
        return MSP_CANON_DOUBLE_ENCODING;
    if (!utf8_valid(out, n))
        return MSP_CANON_BYTE;
    out[n] = '\0';
    *ret = (struct msp_canon_text){out, n};
    *cursor = out + n + 1;
    return MSP_CANON_OK;
}

static bool text_equal(struct msp_canon_text a, struct msp_canon_text b)
{
    return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

static char composite_at(const struct raw_pair *pair, size_t i)
{
    return i < pair->name.len ? fold(pair->name.ptr[i])
                              : pair->value.ptr[i - pair->name.len];
}

/*
 * Whether the signing canonicaliser would let one pair replace the other: it
 * sorts by lower-case name and value written without a separator, so that
 * only one of a=bc and ab=c is signed.
 */
static bool pairs_collide(const struct raw_pair *a, const struct raw_pair *b)
{
    size_t len = a->name.len + a->value.len;

    if (len != b->name.len + b->value.len)
        return false;
    for (size_t i = 0; i < len; i++)
        if (composite_at(a, i) != composite_at(b, i))
            return false;
    return true;
}

static struct raw_pair split_pair(const char *piece, size_t len)
{
    const char *sep = memchr(piece, '=', len);
    struct raw_pair raw = {{piece, len}, {piece + len, 0}};

    if (sep) {
        raw.name.len = (size_t)(sep - piece);
        raw.value.ptr = sep + 1;
        raw.value.len = len - raw.name.len - 1;
    }
    return raw;
}

/* One more pair; raw[0..ret->n_pairs) are the earlier ones. */
static enum msp_canon_code add_pair(const char *piece, size_t len,
                                    struct raw_pair *raw, char **cursor,
                                    struct msp_canon *ret)
{
    size_t at = ret->n_pairs;
    struct msp_canon_pair pair;
    enum msp_canon_code code;

    if (at == MSP_REQ_PAIRS_MAX)
        return MSP_CANON_PAIRS;
    raw[at] = split_pair(piece, len);
    if (raw[at].name.len == 0)
        return MSP_CANON_EMPTY_KEY;
    code = canon_text(raw[at].name, true, cursor, &pair.key);
    if (code != MSP_CANON_OK)
        return code;
    code = canon_text(raw[at].value, false, cursor, &pair.value);
    if (code != MSP_CANON_OK)
        return code;
    for (size_t i = 0; i < at; i++) {
        if (text_equal(ret->pair[i].key, pair.key))
            return MSP_CANON_DUPLICATE_KEY;
        if (pairs_collide(&raw[i], &raw[at]))
            return MSP_CANON_COLLISION;
    }
    ret->pair[at] = pair;
    ret->n_pairs = at + 1;
    return MSP_CANON_OK;
}

static enum msp_canon_code canon_query(const char *query, size_t len,
                                       char *cursor, struct msp_canon *ret)
{
    struct raw_pair raw[MSP_REQ_PAIRS_MAX];
    size_t start = 0;

    if (len == 0)
        return MSP_CANON_OK;
    for (size_t i = 0; i <= len; i++) {
        enum msp_canon_code code;

        if (i < len && query[i] != '&')
            continue;
        code = add_pair(query + start, i - start, raw, &cursor, ret);
        if (code != MSP_CANON_OK)
            return code;
        start = i + 1;
    }
    return MSP_CANON_OK;
}

enum msp_canon_code msp_canon_target(const char *target, size_t len,
                                     struct msp_canon *ret)
{
    size_t path_len = len, n;
    const char *query;
    enum msp_canon_code code;

    ret->n_pairs = 0;
    ret->path = (struct msp_canon_text){ret->buf, 0};
    if (len > MSP_LINE_BYTES_MAX)
        return MSP_CANON_TOO_LONG;
    if (len == 0 || target[0] != '/')
        return MSP_CANON_NOT_ORIGIN_FORM;
    code = check_raw(target, len);
    if (code != MSP_CANON_OK)
        return code;

    query = memchr(target, '?', len);
    if (query)
        path_len = (size_t)(query - target);
    code = canon_path(target, path_len, ret->buf, &n);
    if (code != MSP_CANON_OK)
        return code;
    ret->path.len = n;
    if (!query)
        return MSP_CANON_OK;
    return canon_query(query + 1, len - path_len - 1, ret->buf + n + 1, ret);
}

enum msp_canon_code msp_canon_rule_path(const char *path, size_t len,
                                        char ret_path[MSP_PATH_KEY_BYTES],
                                        size_t *ret_len)
{
    char buf[MSP_STRING_BYTES_MAX + 1];
    enum msp_canon_code code;
    size_t n;

    if (len > MSP_STRING_BYTES_MAX)
        return MSP_CANON_TOO_LONG;
    if (len == 0 || path[0] != '/')
        return MSP_CANON_NOT_ORIGIN_FORM;
    code = check_raw(path, len);
    if (code != MSP_CANON_OK)
        return code;
    if (memchr(path, '?', len))
        return MSP_CANON_QUERY;
    code = canon_path(path, len, buf, &n);
    if (code != MSP_CANON_OK)
        return code;
    if (n > MSP_RULE_PATH_BYTES)
        return MSP_CANON_TOO_LONG;
    memcpy(ret_path, buf, n + 1);
    *ret_len = n;
    return MSP_CANON_OK;
}
