/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "base/model.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <msp/cleanup.h>

#include "base/rec.h"

/* One array member more; doubles at each power of two. @return 0; -ENOMEM */
static int grow(void **array, size_t n, size_t size)
{
    void *p;

    if (n != 0 && (n & (n - 1)) != 0)
        return 0;
    p = reallocarray(*array, n ? 2 * n : 1, size);
    if (!p)
        return -ENOMEM;
    *array = p;
    return 0;
}

static bool is_value_of(char type, const char *value)
{
    switch (type) {
    case 's':
        return true;
    case 'u':
        return value[0] && strspn(value, "0123456789") == strlen(value) &&
               (value[0] != '0' || !value[1]);
    case 'b':
        return msp_streq(value, "true") || msp_streq(value, "false");
    default:
        return false;
    }
}

/*
 * Dotted, and no segment is empty: each one becomes a JSON member. Names of
 * lists come as values, so that their alphabet was not looked at.
 */
static bool is_name(const char *name)
{
    static const char legal[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t len = strlen(name);

    return len > 0 && strspn(name, legal) == len && name[0] != '.' &&
           name[len - 1] != '.' && !strstr(name, "..");
}

/* Whether both names cannot live in one object: "a" and "a", "a" and "a.b". */
static bool is_clash(const char *a, const char *b)
{
    size_t n = strlen(a) < strlen(b) ? strlen(a) : strlen(b);

    return strncmp(a, b, n) == 0 && (a[n] == '\0' || a[n] == '.') &&
           (b[n] == '\0' || b[n] == '.');
}

/* Whether this text may stand beside one of the same name. */
static bool is_more(struct msp_model_field *field, char type, const char *name,
                    bool is_read)
{
    if (!msp_streq(field->name, name))
        return false;
    if (field->type == 'a' && type == 'a')
        return true;
    if (!is_read || type != 's' || (field->type != 's' && field->type != 'a'))
        return false;
    field->type = 'a';
    return true;
}

/* @param is_read of a record, which has texts of one name as often as it likes
 */
static int add(struct msp_model_row *row, char type, const char *name,
               const char *value, bool is_read)
{
    void *field = row->field;
    int r;

    if (!is_name(name))
        return -EBADMSG;
    for (size_t i = 0; i < row->n; i++) {
        if (!is_clash(row->field[i].name, name))
            continue;
        if (!is_more(&row->field[i], type, name, is_read))
            return -EBADMSG;
        type = 'a';
        break;
    }
    r = grow(&field, row->n, sizeof(*row->field));
    if (r < 0)
        return r;
    row->field = field;
    row->field[row->n++] =
        (struct msp_model_field){.type = type, .name = name, .value = value};
    return 0;
}

int msp_model_add(struct msp_model_row *row, char type, const char *name,
                  const char *value)
{
    return add(row, type, name, value, false);
}

static int add_row(struct msp_model *model)
{
    void *row = model->row;
    int r = grow(&row, model->n, sizeof(*model->row));

    if (r < 0)
        return r;
    model->row = row;
    model->row[model->n++] = (struct msp_model_row){0};
    return 0;
}

/* The line `s_item=NAME` is type s and name "_item". */
static bool is_item(const char *name)
{
    return msp_streq(name, "_item");
}

/* A list item begins with the name of its list; the first record does not. */
static int add_field(struct msp_model *model, const struct msp_rec_field *field)
{
    struct msp_model_row *row = &model->row[model->n - 1];

    if (!is_value_of(field->type, field->value))
        return -EBADMSG;
    if (model->n > 1 && !row->list) {
        if (field->type != 's' || !is_item(field->name) ||
            !is_name(field->value))
            return -EBADMSG;
        row->list = field->value;
        return 0;
    }
    return add(row, field->type, field->name, field->value, true);
}

static int read_all(char *payload, size_t len, struct msp_model *model)
{
    const char *end = payload + len;
    char *cursor = payload;
    bool is_open = false;

    for (;;) {
        struct msp_rec_field field;
        int kind = msp_rec_next(&cursor, end, &field);
        int r = 0;

        if (kind < 0)
            return kind;
        if (kind == MSP_REC_EOF)
            return is_open ? -EBADMSG : 0;
        if (!is_open)
            r = add_row(model);
        if (r == 0 && kind == MSP_REC_FIELD)
            r = add_field(model, &field);
        else if (r == 0 && model->n > 1 && !model->row[model->n - 1].list)
            r = -EBADMSG; /* an item that does not say of what list */
        if (r < 0)
            return r;
        is_open = kind == MSP_REC_FIELD;
    }
}

int msp_model_read(char *payload, size_t len, struct msp_model *ret_model)
{
    struct msp_model model = {0};
    int r = read_all(payload, len, &model);

    if (r < 0) {
        msp_model_done(&model);
        return r;
    }
    *ret_model = model;
    return 0;
}

void msp_model_arrays(struct msp_model *model, const char *const *names)
{
    for (size_t r = 0; r < model->n; r++)
        for (size_t i = 0; i < model->row[r].n; i++) {
            struct msp_model_field *field = &model->row[r].field[i];

            for (size_t n = 0; field->type == 's' && names[n]; n++)
                if (msp_streq(field->name, names[n]))
                    field->type = 'a';
        }
}

void msp_model_done(struct msp_model *model)
{
    for (size_t i = 0; i < model->n; i++)
        free(model->row[i].field);
    free(model->row);
    *model = (struct msp_model){0};
}

static int compare_rows(const void *a, const void *b, void *name)
{
    const struct msp_model_field *left = msp_model_get(a, name);
    const struct msp_model_field *right = msp_model_get(b, name);

    return strcmp(left ? left->value : "", right ? right->value : "");
}

/* A list's items come in a row; should they not, each run is sorted. */
void msp_model_sort(struct msp_model *model, const char *list,
                    const char *field)
{
    union {
        const char *in;
        void *out;
    } name = {.in = field};

    for (size_t from = 1, to; from < model->n; from = to) {
        for (to = from; to < model->n && msp_streq(model->row[to].list, list);)
            to++;
        qsort_r(&model->row[from], to - from, sizeof(*model->row), compare_rows,
                name.out);
        to += to == from;
    }
}

const struct msp_model_field *msp_model_get(const struct msp_model_row *row,
                                            const char *name)
{
    for (size_t i = 0; i < row->n; i++)
        if (msp_streq(row->field[i].name, name))
            return &row->field[i];
    return NULL;
}
