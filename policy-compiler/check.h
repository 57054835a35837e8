/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Second stage: a document to diagnostics only. Names, references, spellings
 * and limits; after it without an error, the next stages cannot meet a
 * document they do not understand.
 */
#pragma once

#include "doc.h"
#include "report.h"

/* @return 0, whatever was reported; -ENOMEM */
int msp_check(const struct policy_doc *doc, struct report *report);
