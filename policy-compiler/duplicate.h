/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Finds duplicate object keys with their places: the JSON parser only says
 * that there is one.
 */
#pragma once

#include "report.h"

/*
 * Reports each key that repeats an earlier one of its object.
 * @param text [len], must be valid JSON
 * @param max_depth deeper objects are not looked at
 */
void msp_duplicate_report(const char *text, size_t len, size_t max_depth,
                          struct report *report);
