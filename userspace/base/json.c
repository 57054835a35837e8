/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "base/json.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <msp/cleanup.h>
#include <msp/limits.h>

#include "base/escape.h"

#define STRINGIFY(x)  #x
#define STRING_OF(x)  STRINGIFY(x)
#define SCHEMA_STRING STRING_OF(MSP_JSON_SCHEMA)

/* Part of a dotted name: where it begins and how long the segment is. */
struct segment {
    const char *at;
    size_t len;
};

static struct segment segment_at(const char *name, size_t prefix)
{
    return (struct segment){name + prefix, strcspn(name + prefix, ".")};
}

static bool has_prefix(const char *name, const char *of, size_t prefix)
{
    return strncmp(name, of, prefix) == 0;
}

static void print_member(struct segment segment, bool is_first, FILE *out)
{
    char name[MSP_STRING_BYTES_MAX];
    size_t n = segment.len < sizeof(name) ? segment.len : sizeof(name) - 1;

    memcpy(name, segment.at, n);
    name[n] = '\0';
    if (!is_first)
        (void)fputc(',', out);
    msp_escape_json(name, out);
    (void)fputc(':', out);
}

static void print_row(const struct msp_model *model,
                      const struct msp_model_row *row, FILE *out);

static void print_array(const struct msp_model *model, const char *list,
                        FILE *out)
{
    bool is_first = true;

    (void)fputc('[', out);
    for (size_t r = 1; r < model->n; r++) {
        if (!msp_streq(model->row[r].list, list))
            continue;
        if (!is_first)
            (void)fputc(',', out);
        is_first = false;
        print_row(model, &model->row[r], out);
    }
    (void)fputc(']', out);
}

static void print_texts(const struct msp_model_row *row, const char *name,
                        FILE *out)
{
    bool is_first = true;

    (void)fputc('[', out);
    for (size_t i = 0; i < row->n; i++) {
        if (!msp_streq(row->field[i].name, name))
            continue;
        if (!is_first)
            (void)fputc(',', out);
        is_first = false;
        msp_escape_json(row->field[i].value, out);
    }
    (void)fputc(']', out);
}

static void print_value(const struct msp_model *model,
                        const struct msp_model_row *row,
                        const struct msp_model_field *field, FILE *out)
{
    switch (field->type) {
    case 'a':
        print_texts(row, field->name, out);
        break;
    case 's':
        msp_escape_json(field->value, out);
        break;
    case 'l':
        print_array(model, field->value, out);
        break;
    default: /* u, b and j are JSON as they are */
        (void)fputs(field->value, out);
        break;
    }
}

/* Whether an earlier field of the object already printed this segment. */
static bool is_printed(const struct msp_model_row *row, size_t at,
                       size_t prefix, size_t len)
{
    const char *name = row->field[at].name;

    for (size_t i = 0; i < at; i++) {
        const char *other = row->field[i].name;

        if (has_prefix(other, name, prefix + len) &&
            (other[prefix + len] == '.' || other[prefix + len] == '\0'))
            return true;
    }
    return false;
}

/*
 * The members whose names share their first `prefix` bytes with `of`. Depth
 * is bounded by the dots of a name.
 */
static void print_members(const struct msp_model *model,
                          const struct msp_model_row *row, const char *of,
                          size_t prefix, FILE *out)
{
    bool is_first = true;

    for (size_t i = 0; i < row->n; i++) {
        const struct msp_model_field *field = &row->field[i];
        struct segment segment;

        if (!has_prefix(field->name, of, prefix))
            continue;
        segment = segment_at(field->name, prefix);
        if (is_printed(row, i, prefix, segment.len))
            continue;
        print_member(segment, is_first, out);
        is_first = false;
        if (!segment.at[segment.len]) {
            print_value(model, row, field, out);
            continue;
        }
        (void)fputc('{', out);
        print_members(model, row, field->name, prefix + segment.len + 1, out);
        (void)fputc('}', out);
    }
}

static void print_row(const struct msp_model *model,
                      const struct msp_model_row *row, FILE *out)
{
    (void)fputc('{', out);
    print_members(model, row, "", 0, out);
    (void)fputc('}', out);
}

/* The members of the whole object: ours, the first record's, the lists. */
static int collect(const struct msp_model *model, const char *result,
                   const struct msp_json_extra *extra,
                   struct msp_model_row *top)
{
    int r = msp_model_add(top, 'u', "schema", SCHEMA_STRING);

    if (r == 0)
        r = msp_model_add(top, 's', "result", result);
    for (size_t i = 0; r == 0 && model->n && i < model->row[0].n; i++) {
        const struct msp_model_field *field = &model->row[0].field[i];

        r = msp_model_add(top, field->type, field->name, field->value);
    }
    for (size_t i = 1; r == 0 && i < model->n; i++) {
        const char *list = model->row[i].list;
        const struct msp_model_field *field = msp_model_get(top, list);

        if (!field || field->type != 'l')
            r = msp_model_add(top, 'l', list, list);
    }
    if (r == 0 && extra)
        r = msp_model_add(top, 'j', extra->name, extra->json);
    return r;
}

static void row_done(struct msp_model_row *row)
{
    free(row->field);
}

int msp_json_print(const struct msp_model *model, const char *result,
                   const char *list, const struct msp_json_extra *extra,
                   FILE *out)
{
    msp_cleanup(row_done) struct msp_model_row top = {0};
    int r = collect(model, result, extra, &top);

    /* An empty list is an empty array, not a missing member. */
    if (r == 0 && list && !msp_model_get(&top, list))
        r = msp_model_add(&top, 'l', list, list);
    if (r < 0)
        return r;
    print_row(model, &top, out);
    (void)fputc('\n', out);
    return ferror(out) ? -EIO : 0;
}
