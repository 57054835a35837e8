/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * One JSON text inserted into another, which is known to be valid JSON and an
 * object; the rest of it stays byte for byte as it is. Knows where a member
 * begins and ends, nothing of its meaning.
 */
#pragma once

#include <stddef.h>

/*
 * Appends `item` to the array `kind` of the object "hooks", and makes either
 * if it is absent or null.
 * @param text [len] a valid JSON object
 * @param item a JSON value
 * @param ret_text [ret_len] and a NUL; free(); set only on success
 * @return 0; -EBADMSG one of them is something else; -ENOMEM
 */
int msp_oci_edit(const char *text, size_t len, const char *kind,
                 const char *item, char **ret_text, size_t *ret_len);
