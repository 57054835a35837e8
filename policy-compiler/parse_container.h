/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The selectors `container` and `pod` of an identity. */
#pragma once

#include "parse_value.h"

/* Fills the demands of an identity from its object. */
void msp_container_parse(struct parser *parser, const json_t *object,
                         struct doc_identity *ret);
