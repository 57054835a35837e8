/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The records of a reply as one JSON object: {"schema":1,"result":...}. It
 * knows the grammar of include/msp/ctl.h, not the meaning of any field. A
 * dotted name nests ("proxy.pid" is member pid of object proxy), the record
 * gives the type, list items are collected in an array named after their list.
 */
#pragma once

#include <stdio.h>

#include "base/model.h"

/* One more member of the JSON object; `json` is a complete JSON value. */
struct msp_json_extra {
    const char *name;
    const char *json;
};

/*
 * @param result member "result" of the object: "ok", "refused" ...
 * @param list is a member even when it has no item; NULL = none
 * @param extra NULL = none
 * @return 0; -EBADMSG two members of one name; -ENOMEM; -EIO writing failed
 */
int msp_json_print(const struct msp_model *model, const char *result,
                   const char *list, const struct msp_json_extra *extra,
                   FILE *out);
