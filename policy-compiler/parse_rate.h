/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The member `rateLimit` of an endpoint. */
#pragma once

#include "parse_value.h"

/* Fills the limit of an item, if it has one that is right. */
void msp_rate_parse(struct parser *parser, const json_t *item,
                    struct msp_rate_limit *ret);
