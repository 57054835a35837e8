/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Follows everything that points somewhere in an image the reader accepted,
 * as the loader and `mspc dump` do, and checks what the loader relies on.
 */
#pragma once

#include <msp/image.h>

void walk_image(const struct msp_image *image);
