/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Whether the identities of two images demand the same of executables, base
 * names and cgroups, by number: what marks made under one mean under the other.
 * Which file a path names now is not asked: a mark stays what it was. Pure.
 */
#pragma once

#include <stdbool.h>

#include <msp/image.h>

/* Ids and their names are loader/rows.h's. */
bool msp_selectors_equal(const struct msp_image *a, const struct msp_image *b);

/* Whether any identity demands such. */
bool msp_selectors_any(const struct msp_image *image);
