/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Last stage: tables to the bytes of an image. */
#pragma once

#include "lower.h"

/*
 * @param ret_image owned by the caller, free()
 * @return 1 = done; 0 = over the size limit, reported; -ENOMEM; -EIO
 */
int msp_emit(const struct msp_tables *tables, struct report *report,
             uint8_t **ret_image, size_t *ret_len);
