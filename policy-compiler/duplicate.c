/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "duplicate.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <msp/cleanup.h>

#include "intern.h"

/* One container the scan is in. */
struct level {
    bool is_object;
    size_t index;      /* of the current array item */
    size_t place_len;  /* of the container itself */
    struct intern key; /* keys so far, of an object */
    char **text;       /* [n_text] decoded keys, owned */
    size_t n_text, cap_text;
};

struct scan {
    const char *at, *end;
    struct report *report;
    struct place place;
    struct level *level; /* [max_depth] */
    size_t depth, max_depth;
};

static void level_done(struct level *level)
{
    for (size_t i = 0; i < level->n_text; i++)
        free(level->text[i]);
    free(level->text);
    msp_intern_done(&level->key);
    *level = (struct level){0};
}

static uint32_t hex4(const char *at)
{
    char text[5] = {at[0], at[1], at[2], at[3], 0};

    return (uint32_t)strtoul(text, NULL, 16);
}

static size_t put_utf8(char *out, uint32_t c)
{
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};

    for (size_t i = n; i-- > 1; c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(lead[n] | c);
    return n;
}

/* One escape after its backslash. @return bytes written to out, at most 4 */
static size_t decode_escape(struct scan *scan, char *out)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    char c = *scan->at++;
    const char *hit = strchr(from, c);
    uint32_t unit;

    if (c != 'u') {
        *out = hit ? to[hit - from] : c;
        return 1;
    }
    unit = hex4(scan->at);
    scan->at += 4;
    if (unit >= 0xd800 && unit < 0xdc00) {
        unit =
            0x10000 + ((unit - 0xd800) << 10) + (hex4(scan->at + 2) - 0xdc00);
        scan->at += 6;
    }
    return put_utf8(out, unit);
}

/* The string at scan->at, past its quotes. @return decoded, owned; NULL */
static char *take_string(struct scan *scan)
{
    const char *start = ++scan->at;
    size_t n = 0;
    char *text;

    while (*scan->at != '"')
        scan->at += *scan->at == '\\' ? 2 : 1;
    text = malloc((size_t)(scan->at - start) + 1);
    if (!text) {
        scan->report->r = -ENOMEM;
        scan->at++;
        return NULL;
    }
    scan->at = start;
    while (*scan->at != '"') {
        if (*scan->at != '\\') {
            text[n++] = *scan->at++;
            continue;
        }
        scan->at++;
        n += decode_escape(scan, text + n);
    }
    scan->at++;
    text[n] = '\0';
    return text;
}

/* Doubles both tables. @return 0; -ENOMEM */
static int grow(struct level *level)
{
    size_t cap = level->cap_text ? 2 * level->cap_text : 16;
    char **text = realloc(level->text, cap * sizeof(*text));
    struct intern table;

    if (!text)
        return -ENOMEM;
    level->text = text;
    if (msp_intern_init(&table, cap) < 0)
        return -ENOMEM;
    msp_intern_done(&level->key);
    level->key = table;
    level->cap_text = cap;
    for (size_t i = 0; i < level->n_text; i++)
        msp_intern_add(&level->key, text[i], strlen(text[i]), (uint32_t)i);
    return 0;
}

/* Takes over the key. */
static void add_key(struct scan *scan, struct level *level, char *key)
{
    msp_autofree char *owned = key;
    size_t at = level->n_text;

    if (at == level->cap_text && grow(level) < 0) {
        scan->report->r = -ENOMEM;
        return;
    }
    msp_place_pop(&scan->place, level->place_len);
    msp_place_push(&scan->place, key);
    if (msp_intern_find(&level->key, key, strlen(key), NULL)) {
        msp_report_error(scan->report, MSP_DIAG_DUPLICATE_KEY, scan->place.text,
                         "each key once", "a second one");
        return;
    }
    msp_intern_add(&level->key, key, strlen(key), (uint32_t)at);
    level->text[level->n_text++] = TAKE_PTR(owned);
}

static void enter_item(struct scan *scan, struct level *level)
{
    msp_place_pop(&scan->place, level->place_len);
    msp_place_push_index(&scan->place, level->index);
}

static void open_container(struct scan *scan, bool is_object)
{
    if (scan->depth < scan->max_depth) {
        struct level *level = &scan->level[scan->depth];

        level->is_object = is_object;
        level->place_len = scan->place.len;
        if (!is_object)
            enter_item(scan, level);
    }
    scan->depth++;
}

static void close_container(struct scan *scan)
{
    scan->depth--;
    if (scan->depth < scan->max_depth) {
        msp_place_pop(&scan->place, scan->level[scan->depth].place_len);
        level_done(&scan->level[scan->depth]);
    }
}

/* Whether the string just read was a key; moves past the colon then. */
static bool take_colon(struct scan *scan)
{
    const char *at = scan->at;

    while (at < scan->end && strchr(" \t\r\n", *at))
        at++;
    if (at == scan->end || *at != ':')
        return false;
    scan->at = at + 1;
    return true;
}

static void scan_string(struct scan *scan)
{
    msp_autofree char *text = take_string(scan);
    bool is_key = take_colon(scan);

    if (!is_key || !text || scan->depth == 0 || scan->depth > scan->max_depth)
        return;
    add_key(scan, &scan->level[scan->depth - 1], TAKE_PTR(text));
}

static void scan_comma(struct scan *scan)
{
    struct level *level;

    if (scan->depth == 0 || scan->depth > scan->max_depth)
        return;
    level = &scan->level[scan->depth - 1];
    level->index++;
    if (!level->is_object)
        enter_item(scan, level);
}

void msp_duplicate_report(const char *text, size_t len, size_t max_depth,
                          struct report *report)
{
    msp_autofree struct level *level = calloc(max_depth, sizeof(*level));
    struct scan scan = {.at = text,
                        .end = text + len,
                        .report = report,
                        .level = level,
                        .max_depth = max_depth};

    if (!level) {
        report->r = -ENOMEM;
        return;
    }
    while (scan.at < scan.end) {
        char c = *scan.at;

        if (c == '"') {
            scan_string(&scan);
            continue;
        }
        scan.at++;
        if (c == '{' || c == '[')
            open_container(&scan, c == '{');
        else if (c == '}' || c == ']')
            close_container(&scan);
        else if (c == ',')
            scan_comma(&scan);
    }
}
