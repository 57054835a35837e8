/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "cli/oci_edit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <msp/cleanup.h>

/* A piece of the text, from its first byte to the one behind its last. */
struct span {
    const char *at;
    const char *end;
};

static const char *skip_space(const char *at, const char *end)
{
    while (at < end &&
           (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r'))
        at++;
    return at;
}

/* @return behind the closing quote, or `end` */
static const char *skip_string(const char *at, const char *end)
{
    for (at++; at < end && *at != '"'; at++)
        if (*at == '\\')
            at++;
    return at < end ? at + 1 : end;
}

/* @return behind the value, or `end` */
static const char *skip_value(const char *at, const char *end)
{
    size_t depth = 0;

    while (at < end) {
        char c = *at;

        if (c == '"') {
            at = skip_string(at, end);
        } else if (c == '{' || c == '[') {
            depth++;
            at++;
        } else if (c == '}' || c == ']') {
            if (depth == 0)
                return at; /* of what the value stands in */
            depth--;
            at++;
        } else if (c == ',' && depth == 0) {
            return at;
        } else {
            at++;
            continue; /* a number, a word, white space */
        }
        if (depth == 0)
            return at;
    }
    return end;
}

static bool is_span(struct span span, const char *text)
{
    size_t len = strlen(text);

    return (size_t)(span.end - span.at) == len &&
           memcmp(span.at, text, len) == 0;
}

/* Without the white space behind a number or a word. */
static struct span value_at(const char *at, const char *end)
{
    struct span value = {.at = skip_space(at, end)};

    value.end = skip_value(value.at, end);
    while (value.end > value.at && strchr(" \t\r\n", value.end[-1]))
        value.end--;
    return value;
}

/*
 * @param object from "{" to behind "}"
 * @return whether it has the member; a key spelt with escapes is not found
 */
static bool find(struct span object, const char *key, struct span *ret_value)
{
    const char *end = object.end - 1;
    const char *at = skip_space(object.at + 1, end);

    while (at < end && *at == '"') {
        struct span name = {.at = at + 1};
        struct span value;

        at = skip_string(at, end);
        name.end = at - 1;
        at = skip_space(at, end);
        if (at == end)
            return false;
        value = value_at(at + 1, end);
        if (is_span(name, key)) {
            *ret_value = value;
            return true;
        }
        at = skip_space(skip_value(value.at, end), end);
        if (at < end && *at == ',')
            at++;
        at = skip_space(at, end);
    }
    return false;
}

/* Where something is put, and what around it. */
struct place {
    struct span out;    /* is replaced; empty where it is only added */
    const char *before; /* what the item gets around it */
    const char *name;   /* NULL = none */
    const char *after;
};

static bool is_empty(struct span list)
{
    return skip_space(list.at + 1, list.end) == list.end - 1;
}

/* Just before the bracket that closes an object or array. */
static struct span at_end_of(struct span list)
{
    return (struct span){list.end - 1, list.end - 1};
}

static bool is_kind(struct span value, char first)
{
    return value.at < value.end && *value.at == first;
}

/* @return 0; -EBADMSG */
static int find_place(struct span doc, const char *kind, struct place *ret)
{
    struct span hooks, list;

    if (!find(doc, "hooks", &hooks)) {
        *ret = (struct place){at_end_of(doc),
                              is_empty(doc) ? "\"hooks\":{" : ",\"hooks\":{",
                              kind, "]}"};
        return 0;
    }
    if (is_span(hooks, "null")) {
        *ret = (struct place){hooks, "{", kind, "]}"};
        return 0;
    }
    if (!is_kind(hooks, '{'))
        return -EBADMSG;
    if (!find(hooks, kind, &list)) {
        *ret = (struct place){at_end_of(hooks), is_empty(hooks) ? "" : ",",
                              kind, "]"};
        return 0;
    }
    if (is_span(list, "null")) {
        *ret = (struct place){list, "[", NULL, "]"};
        return 0;
    }
    if (!is_kind(list, '['))
        return -EBADMSG;
    *ret = (struct place){at_end_of(list), is_empty(list) ? "" : ",", NULL, ""};
    return 0;
}

int msp_oci_edit(const char *text, size_t len, const char *kind,
                 const char *item, char **ret_text, size_t *ret_len)
{
    const char *end = text + len;
    struct span doc = value_at(text, end);
    struct place place;
    char *edited;
    int n;

    if (!is_kind(doc, '{') || find_place(doc, kind, &place) < 0)
        return -EBADMSG;
    n = asprintf(&edited, "%.*s%s%s%s%s%s%s%.*s", (int)(place.out.at - text),
                 text, place.before, place.name ? "\"" : "",
                 place.name ? place.name : "", place.name ? "\":[" : "", item,
                 place.after, (int)(end - place.out.end), place.out.end);
    if (n < 0)
        return -ENOMEM;
    *ret_text = edited;
    *ret_len = (size_t)n;
    return 0;
}
