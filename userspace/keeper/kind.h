/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What an answer is that is not what was asked for, in a few words for people:
 * the host's errors are XML, and may be in UTF-16. Sans-IO.
 */
#pragma once

#include <stddef.h>

#define MSP_KIND_BYTES 96

/*
 * @param text [len] a body, need not end in NUL
 * @return static text: "empty", "XML", "XML in UTF-16", "text in UTF-16",
 *         "text with a byte order mark"; NULL: it may be JSON
 */
const char *msp_kind_of(const char *text, size_t len);

/*
 * Of an error: its kind, and what its element Code says, if that is a word of
 * letters and digits: "XML: ResourceNotAvailable". Empty for an empty body and
 * for what may be JSON.
 */
void msp_kind_of_error(const char *text, size_t len, char ret[MSP_KIND_BYTES]);
