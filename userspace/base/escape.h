/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Text that other people chose, made safe to print: no byte that could drive
 * a terminal, break a line or reorder it leaves as itself.
 */
#pragma once

#include <stddef.h>
#include <stdio.h>

/*
 * Control characters and malformed UTF-8 become \xHH, all else is kept.
 * @param out NULL = only measure
 * @return columns written, one a character
 */
size_t msp_escape_text(const char *text, FILE *out);

/* A JSON string with its quotes; malformed UTF-8 becomes U+FFFD. */
void msp_escape_json(const char *text, FILE *out);
