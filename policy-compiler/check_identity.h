/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The selectors of identities: spellings, and what they are worth. */
#pragma once

#include "doc.h"
#include "report.h"

/* @param rules the pointer of the endpoint's rules */
void msp_check_identities(const struct doc_endpoint *endpoint, bool is_platform,
                          const struct place *rules, struct report *report);
