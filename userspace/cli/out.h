/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Prints the records of a reply: tables for people, one JSON object for
 * programs. It knows the grammar of include/msp/ctl.h, not the meaning of
 * any field, so a field the daemon adds appears in --json by itself.
 *
 * JSON is that of base/json.h. Text: `name  value` lines, then one titled
 * table a list. Bytes that could drive a terminal never leave as themselves.
 */
#pragma once

#include <stddef.h>
#include <stdio.h>

#include "base/json.h"

/*
 * Which columns of a list people see, in order; all of them if the list has
 * none of these. JSON always shows all.
 */
struct msp_out_view {
    const char *list;           /* name of the list the columns are for, or
                                 * NULL */
    const char *const *columns; /* ends in NULL; NULL = all of them */
    const char *const *arrays;  /* fields of any record that are arrays in JSON
                                * even if one has a single one; ends in NULL;
                                * may be NULL */
    const char *empty;          /* printed when the list has no item */
    const char *sort;           /* order of the list's items: by the text of
                                 * this field, least first; NULL = as it came */
    const char *const *hidden;  /* lists people do not see; ends in NULL */
    const char *nonzero;        /* list of which people see no item whose
                                 * field "value" is 0 */
    const char *used;           /* list of which people see no item whose
                                 * field "state" is "off" */
};

/*
 * @param payload [len] records; written to (unescaped in place)
 * @param view NULL = every column
 * @return 0; -EBADMSG not records, a wrong value for its type or two fields
 *         of one name that are no texts; -ENOMEM; -EIO writing failed
 */
int msp_out_text(char *payload, size_t len, const struct msp_out_view *view,
                 FILE *out);

/*
 * @param result member "result" of the object: "ok", "refused" ...
 * @param view its list is a member even when it has no item; NULL = none
 * @param extra NULL = none
 * @return as msp_out_text
 */
int msp_out_json(char *payload, size_t len, const char *result,
                 const struct msp_out_view *view,
                 const struct msp_json_extra *extra, FILE *out);
