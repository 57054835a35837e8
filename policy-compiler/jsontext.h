/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#pragma once

#include <stdio.h>

/*
 * Writes a JSON string with its quotes. What is not UTF-8 becomes U+FFFD;
 * control bytes are escaped, so the result is safe on a terminal too.
 */
void msp_json_string(FILE *out, const char *text);
