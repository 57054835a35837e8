/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "parse_value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <msp/cleanup.h>

json_t *msp_value_get(const struct parser *parser, const json_t *object,
                      const char *key)
{
    json_t *value = json_object_get(object, key);

    if (parser->form != MSP_FORM_NATIVE && json_is_null(value))
        return NULL;
    return value;
}

void msp_value_wrong_type(struct parser *parser, const char *expected,
                          const json_t *value)
{
    static const char *const name[] = {"an object",  "an array",   "a string",
                                       "an integer", "a fraction", "true",
                                       "false",      "null"};

    msp_report_error(parser->report, MSP_DIAG_TYPE, parser->at.text, expected,
                     "%s", name[json_typeof(value)]);
}

/* All that an object may have. */
struct members {
    const struct member *item; /* [n] */
    size_t n;
};

static bool is_welcome(enum need need)
{
    return need == OPTIONAL || need == REQUIRED;
}

/* What there is instead of a name: that name in other letters, else all. */
static void list_members(const struct members *all, const char *key, char *ret,
                         size_t size)
{
    const char *separator = "one of ";
    size_t len = 0;

    ret[0] = '\0';
    for (size_t i = 0; i < all->n; i++) {
        const char *name = all->item[i].name;
        int n;

        if (!is_welcome(all->item[i].need))
            continue;
        if (strcasecmp(name, key) == 0) {
            (void)snprintf(ret, size, "%s", name);
            return;
        }
        n = snprintf(ret + len, size - len, "%s%s", separator, name);
        if (n < 0 || (size_t)n >= size - len)
            return; /* cut */
        len += (size_t)n;
        separator = ", ";
    }
}

/* @param known NULL = unknown; else its need was not met */
static void report_member(struct parser *parser, const char *key,
                          const struct member *known, const struct members *all)
{
    size_t before = msp_place_push(&parser->at, key);
    char expected[256];

    if ((!known || known->need == FIXED) && parser->form != MSP_FORM_NATIVE)
        msp_report_warning(parser->report, MSP_DIAG_UNKNOWN_MEMBER,
                           parser->at.text, NULL, "%s, ignored",
                           msp_report_shown(key).text);
    else if (!known) {
        list_members(all, key, expected, sizeof(expected));
        msp_report_error(parser->report, MSP_DIAG_UNKNOWN_MEMBER,
                         parser->at.text, expected, "%s",
                         msp_report_shown(key).text);
    } else if (known->need == FIXED)
        msp_report_error(parser->report, MSP_DIAG_UNKNOWN_MEMBER,
                         parser->at.text, "a member of a built-in endpoint",
                         "\"%s\", which only a custom one has", key);
    else
        msp_report_error(parser->report, MSP_DIAG_MISSING, parser->at.text,
                         "this member", NULL);
    msp_place_pop(&parser->at, before);
}

bool msp_value_members(struct parser *parser, json_t *object,
                       const struct member *members, size_t n)
{
    const struct members all = {members, n};
    bool has_unknown = false;
    size_t n_right = 0;
    const char *key;
    json_t *value;

    for (size_t i = 0; i < n; i++)
        if (is_welcome(members[i].need) &&
            json_object_get(object, members[i].name))
            n_right++;
    /* Only an object with others in it is worth a walk. */
    if (n_right != json_object_size(object)) {
        json_object_foreach(object, key, value) {
            size_t i = 0;

            while (i < n && !msp_streq(members[i].name, key))
                i++;
            if (i == n)
                has_unknown = true;
            if (i == n || (!is_welcome(members[i].need) &&
                           msp_value_get(parser, object, key)))
                report_member(parser, key, i < n ? &members[i] : NULL, &all);
        }
    }
    for (size_t i = 0; i < n; i++)
        if (members[i].need == REQUIRED &&
            !msp_value_get(parser, object, members[i].name))
            report_member(parser, members[i].name, &members[i], &all);
    return has_unknown;
}

static bool is_blank(const char *text)
{
    return text[strspn(text, " \t\r\n")] == '\0';
}

static bool has_control(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return true;
    return false;
}

void msp_value_check_text(struct parser *parser, const char *text, size_t len,
                          enum text_kind kind)
{
    size_t max = kind == TEXT_NAME ? MSP_NAME_BYTES - 1 : MSP_STRING_BYTES_MAX;
    char expected[64];

    if (len > max) {
        (void)snprintf(expected, sizeof(expected), "at most %zu bytes", max);
        msp_report_error(parser->report, MSP_DIAG_LIMIT, parser->at.text,
                         expected, "%zu", len);
    } else if (kind != TEXT_FREE && is_blank(text)) {
        msp_report_error(parser->report, MSP_DIAG_BLANK, parser->at.text,
                         "a text that is not blank", "\"%s\"", text);
    } else if (has_control(text)) {
        msp_report_error(parser->report, MSP_DIAG_VALUE, parser->at.text,
                         "no control bytes", "one");
    } else if (kind == TEXT_NAME && msp_streq(text, "-")) {
        msp_report_error(parser->report, MSP_DIAG_VALUE, parser->at.text,
                         "a name", "\"-\", which means none in records");
    }
}

doc_text msp_value_take_text(struct parser *parser, const json_t *value,
                             enum text_kind kind)
{
    if (!json_is_string(value)) {
        msp_value_wrong_type(parser, "a string", value);
        return NULL;
    }
    msp_value_check_text(parser, json_string_value(value),
                         json_string_length(value), kind);
    return json_string_value(value);
}

doc_text msp_value_text(struct parser *parser, const json_t *object,
                        const char *key, enum text_kind kind)
{
    const json_t *value = msp_value_get(parser, object, key);
    size_t before;
    doc_text text;

    if (!value)
        return NULL;
    before = msp_place_push(&parser->at, key);
    text = msp_value_take_text(parser, value, kind);
    msp_place_pop(&parser->at, before);
    return text;
}

bool msp_value_id(struct parser *parser, const json_t *object, const char *key,
                  uint32_t *ret)
{
    const json_t *value = msp_value_get(parser, object, key);
    size_t before;
    bool is_right = false;

    if (!value)
        return false;
    before = msp_place_push(&parser->at, key);
    if (!json_is_integer(value)) {
        msp_value_wrong_type(parser, "an integer", value);
    } else if (json_integer_value(value) < 0 ||
               json_integer_value(value) >= UINT32_MAX) {
        msp_report_error(parser->report, MSP_DIAG_VALUE, parser->at.text,
                         "0 to 4294967294", "%lld",
                         (long long)json_integer_value(value));
    } else {
        *ret = (uint32_t)json_integer_value(value);
        is_right = true;
    }
    msp_place_pop(&parser->at, before);
    return is_right;
}

size_t msp_value_word(struct parser *parser, const json_t *object,
                      const char *key, const char *const *word, size_t n,
                      const char *expected)
{
    doc_text text = msp_value_text(parser, object, key, TEXT_FREE);
    size_t before;

    if (!text)
        return 0;
    for (size_t i = 0; i < n; i++)
        if (word[i] && strcasecmp(word[i], text) == 0)
            return i;
    before = msp_place_push(&parser->at, key);
    msp_report_error(parser->report, MSP_DIAG_VALUE, parser->at.text, expected,
                     "%s", msp_report_shown(text).text);
    msp_place_pop(&parser->at, before);
    return 0;
}

json_t *msp_value_enter_array(struct parser *parser, const json_t *object,
                              const char *key, size_t *ret_before)
{
    json_t *array = msp_value_get(parser, object, key);

    *ret_before = msp_place_push(&parser->at, key);
    if (json_is_array(array))
        return array;
    if (array)
        msp_value_wrong_type(parser, "an array", array);
    msp_place_pop(&parser->at, *ret_before);
    return NULL;
}

void *msp_value_rows(struct parser *parser, const json_t *array, size_t size)
{
    void *rows = NULL;

    if (json_array_size(array) == 0)
        return NULL;
    rows = calloc(json_array_size(array), size);
    if (!rows)
        parser->report->r = -ENOMEM;
    return rows;
}
