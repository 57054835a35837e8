/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The records of a reply, read and checked once; both printers work on this.
 * Everything in it is borrowed from the payload it was read from.
 */
#pragma once

#include <stddef.h>

struct msp_model_field {
    char type; /* 's', 'u', 'b'; 'a' one text of several that have its name;
                * of json.c only: 'j' JSON, 'l' list */
    const char *name;
    const char *value; /* checked against the type */
};

struct msp_model_row {
    const char *list; /* NULL: the first record */
    struct msp_model_field *field;
    size_t n;
};

struct msp_model {
    struct msp_model_row *row;
    size_t n;
};

/*
 * @param payload [len] records, written to
 * @return 0; -EBADMSG malformed, a value that is not of its type, or two
 *         fields of one record that cannot stand in one object; -ENOMEM
 */
int msp_model_read(char *payload, size_t len, struct msp_model *ret_model);
void msp_model_done(struct msp_model *model);

/*
 * Appends to a row. Fields of type 'a' may share their name.
 * @return 0; -EBADMSG the name is taken; -ENOMEM
 */
int msp_model_add(struct msp_model_row *row, char type, const char *name,
                  const char *value);

/*
 * Texts of one name that a record has more than once are of type 'a' already;
 * here those of `names`, which ends in NULL, become so even if they are alone.
 */
void msp_model_arrays(struct msp_model *model, const char *const *names);

/* Orders the items of a list by the text of one field, least first. */
void msp_model_sort(struct msp_model *model, const char *list,
                    const char *field);

/* The value of a field of a row, NULL if it has none of that name. */
const struct msp_model_field *msp_model_get(const struct msp_model_row *row,
                                            const char *name);
