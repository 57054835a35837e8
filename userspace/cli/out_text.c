/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <msp/cleanup.h>

#include "base/escape.h"
#include "base/model.h"
#include "cli/out.h"

/* Columns of one table; a view names some, a list without one shows all. */
#define COLUMNS_MAX 64
#define GAP         2

struct column {
    const char *name;
    size_t width;
    bool is_number; /* all cells are: align right */
};

struct table {
    struct column column[COLUMNS_MAX];
    size_t n;
};

static void pad(size_t n, FILE *out)
{
    while (n-- > 0)
        (void)fputc(' ', out);
}

/* Lines that end in CR LF are one here, "; " between them. */
static void print_lines(const char *value, FILE *out)
{
    const char *end;

    for (; (end = strstr(value, "\r\n")); value = end + 2) {
        msp_autofree char *line = strndup(value, (size_t)(end - value));

        (void)msp_escape_text(line ? line : "", out);
        if (end[2])
            (void)fputs("; ", out);
    }
    (void)msp_escape_text(value, out);
}

static void print_fields(const struct msp_model_row *row, FILE *out)
{
    size_t width = 0;

    for (size_t i = 0; i < row->n; i++) {
        size_t n = msp_escape_text(row->field[i].name, NULL);

        width = n > width ? n : width;
    }
    for (size_t i = 0; i < row->n; i++) {
        size_t n = msp_escape_text(row->field[i].name, out);

        pad(width - n + GAP, out);
        print_lines(row->field[i].value, out);
        (void)fputc('\n', out);
    }
}

static bool is_shown(const char *name, const char *list,
                     const struct msp_out_view *view)
{
    if (!view || !view->columns || !view->list || !msp_streq(view->list, list))
        return true;
    for (size_t i = 0; view->columns[i]; i++)
        if (msp_streq(view->columns[i], name))
            return true;
    return false;
}

static struct column *column_of(struct table *table, const char *name)
{
    for (size_t i = 0; i < table->n; i++)
        if (msp_streq(table->column[i].name, name))
            return &table->column[i];
    if (table->n == COLUMNS_MAX)
        return NULL;
    table->column[table->n] = (struct column){
        .name = name,
        .width = msp_escape_text(name, NULL),
        .is_number = true,
    };
    return &table->column[table->n++];
}

/* Whether it is an item of the list with this text in the field. */
static bool says(const struct msp_model_row *row, const char *list,
                 const char *name, const char *text)
{
    const struct msp_model_field *field = msp_model_get(row, name);

    return list && msp_streq(list, row->list) && field &&
           msp_streq(field->value, text);
}

static bool is_hidden(const struct msp_model_row *row,
                      const struct msp_out_view *view)
{
    for (size_t i = 0; view && view->hidden && view->hidden[i]; i++)
        if (msp_streq(view->hidden[i], row->list))
            return true;
    return view && (says(row, view->nonzero, "value", "0") ||
                    says(row, view->used, "state", "off"));
}

/* Drops what people are not to see. */
static void hide(struct msp_model *model, const struct msp_out_view *view)
{
    size_t n = model->n ? 1 : 0;

    for (size_t r = 1; r < model->n; r++)
        if (is_hidden(&model->row[r], view))
            free(model->row[r].field);
        else
            model->row[n++] = model->row[r];
    model->n = n;
}

/* Widths and kinds over all rows of the list, in the order of the view. */
static void measure(const struct msp_model *model, const char *list,
                    const struct msp_out_view *view, struct table *table)
{
    bool has_view =
        view && view->columns && view->list && msp_streq(view->list, list);

    for (size_t i = 0; has_view && view->columns[i]; i++)
        for (size_t r = 1; r < model->n; r++)
            if (msp_streq(model->row[r].list, list) &&
                msp_model_get(&model->row[r], view->columns[i]))
                (void)column_of(table, view->columns[i]);
    for (size_t r = 1; r < model->n; r++) {
        const struct msp_model_row *row = &model->row[r];

        for (size_t i = 0; msp_streq(row->list, list) && i < row->n; i++) {
            const struct msp_model_field *field = &row->field[i];
            struct column *column;
            size_t n;

            if (!is_shown(field->name, list, view))
                continue;
            column = column_of(table, field->name);
            if (!column)
                continue;
            n = msp_escape_text(field->value, NULL);
            column->width = n > column->width ? n : column->width;
            column->is_number &= field->type == 'u';
        }
    }
}

static void print_head(const struct table *table, FILE *out)
{
    for (size_t i = 0; i < table->n; i++) {
        const struct column *column = &table->column[i];
        size_t rest = column->width - msp_escape_text(column->name, NULL);

        pad(i ? GAP : 0, out);
        pad(column->is_number ? rest : 0, out);
        for (const char *c = column->name; *c; c++) {
            char one[2] = {(char)toupper((unsigned char)*c), '\0'};

            (void)msp_escape_text(one, out);
        }
        if (i + 1 < table->n)
            pad(column->is_number ? 0 : rest, out);
    }
    (void)fputc('\n', out);
}

static void print_row(const struct table *table,
                      const struct msp_model_row *row, FILE *out)
{
    for (size_t i = 0; i < table->n; i++) {
        const struct column *column = &table->column[i];
        const struct msp_model_field *field = msp_model_get(row, column->name);
        const char *value = field ? field->value : "";
        size_t rest;

        value = value[0] ? value : "-";
        rest = column->width - msp_escape_text(value, NULL);
        pad(i ? GAP : 0, out);
        pad(column->is_number ? rest : 0, out);
        (void)msp_escape_text(value, out);
        if (i + 1 < table->n)
            pad(column->is_number ? 0 : rest, out);
    }
    (void)fputc('\n', out);
}

static void print_list(const struct msp_model *model, const char *list,
                       const struct msp_out_view *view, FILE *out)
{
    struct table table = {.n = 0};

    measure(model, list, view, &table);
    /* Better too wide than empty. */
    if (!table.n)
        measure(model, list, NULL, &table);
    print_head(&table, out);
    for (size_t r = 1; r < model->n; r++)
        if (msp_streq(model->row[r].list, list))
            print_row(&table, &model->row[r], out);
}

static bool is_first_of_list(const struct msp_model *model, size_t at)
{
    for (size_t r = 1; r < at; r++)
        if (msp_streq(model->row[r].list, model->row[at].list))
            return false;
    return true;
}

static void print_lists(const struct msp_model *model,
                        const struct msp_out_view *view, FILE *out)
{
    bool is_first = !model->n || !model->row[0].n;
    bool is_found = false;

    for (size_t r = 1; r < model->n; r++) {
        if (!is_first_of_list(model, r))
            continue;
        if (!is_first)
            (void)fputc('\n', out);
        is_first = false;
        is_found |=
            view && view->list && msp_streq(view->list, model->row[r].list);
        (void)msp_escape_text(model->row[r].list, out);
        (void)fputs(":\n", out);
        print_list(model, model->row[r].list, view, out);
    }
    if (view && view->empty && !is_found)
        (void)fprintf(out, "%s\n", view->empty);
}

int msp_out_text(char *payload, size_t len, const struct msp_out_view *view,
                 FILE *out)
{
    msp_cleanup(msp_model_done) struct msp_model model = {0};
    int r = msp_model_read(payload, len, &model);

    if (r < 0)
        return r;
    if (view && view->sort)
        msp_model_sort(&model, view->list, view->sort);
    hide(&model, view);
    if (model.n > 0)
        print_fields(&model.row[0], out);
    print_lists(&model, view, out);
    return ferror(out) ? -EIO : 0;
}
