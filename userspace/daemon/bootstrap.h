/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The image in force before any policy was given: bootstrap.json, compiled at
 * build time. The slot flag MSP_SLOT_BOOTSTRAP gives it its meaning.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

extern const uint8_t msp_bootstrap_image[]; /* aligned to 8 */
extern const uint8_t msp_bootstrap_image_end[];
