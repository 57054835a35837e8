/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * First stage: bytes to a document, whatever form they have. The schema only:
 * types, members, sizes, words. Only parse*.c see the JSON parser: this one
 * the text, parse_form.c what a form puts around the items, parse_item.c an
 * item, parse_value.c a member.
 */
#pragma once

#include <msp/policy.h>

#include "doc.h"
#include "report.h"

/*
 * Reports everything that is wrong and still fills what is right, so that the
 * next stage can go on finding faults.
 * @param ret_doc msp_doc_done(), also after a failure
 * @return 1 = filled; 0 = no JSON document at all, nothing to go on with;
 *         -ENOMEM
 */
int msp_parse(const char *text, size_t len,
              const struct msp_policy_options *options, struct report *report,
              struct policy_doc *ret_doc);

void msp_parse_release(struct json_t *root); /* may be NULL */
