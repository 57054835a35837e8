/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* One endpoint's item: mode, default, rules, and where a custom one is. */
#pragma once

#include "parse_value.h"

/* What stands around an item decides which members it has. */
enum item_kind {
    ITEM_BUILTIN, /* of the native form and of a status answer */
    ITEM_CUSTOM,
    ITEM_LOCAL, /* a local rule file: no mode */
    ITEM_ARM,   /* the properties of a resource: no id */
    ITEM_COUNT,
};

/* @param parser->at the item's place @param ret zeroed but for its place */
void msp_item_parse(struct parser *parser, json_t *item, enum item_kind kind,
                    struct doc_endpoint *ret);
