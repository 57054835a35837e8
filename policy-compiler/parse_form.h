/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What each form of a document puts around the items of the endpoints. */
#pragma once

#include "parse_value.h"

/* Names and places of the built-in endpoints, before anything is known. */
void msp_form_init(struct policy_doc *doc);

/*
 * The form asked for, or the one the document's members show.
 * @return the form; MSP_FORM_AUTO when there is none, reported
 */
enum msp_form msp_form_find(struct parser *parser, const json_t *root,
                            const struct msp_policy_options *options);

/* Fills the endpoints. Does nothing for MSP_FORM_AUTO. */
void msp_form_parse(struct parser *parser, json_t *root,
                    const struct msp_policy_options *options,
                    struct policy_doc *doc);
