/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Whole files for the command; "-" is standard input or output. */
#pragma once

#include <stddef.h>

/*
 * @param max longer input is cut after max + 1 bytes, for the caller to see
 * @param ret_data owned by the caller, free(); aligned for any type
 * @return 0; negative errno
 */
int msp_file_read(const char *path, size_t max, char **ret_data,
                  size_t *ret_len);

/*
 * Replaces a file as a whole, or not at all.
 * @return 0; -EEXIST the path is there and no regular file; negative errno
 */
int msp_file_write(const char *path, const void *data, size_t len);
