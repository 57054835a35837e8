/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The compiler as a library: a policy document in, an image out. Nothing here
 * touches the host: no users, no files, no clock. Same document, same bytes.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <msp/diag.h>
#include <msp/image.h>

/*
 * Compiles the native form {"version":1,"endpoints":{...}}.
 * @param text [len] UTF-8 JSON, need not end in NUL
 * @param diags appended to, errors and warnings; initialised by the caller
 * @param ret_image set only on success; owned by the caller, free()
 * @param ret_len its length in bytes
 * @return 0; -EINVAL the document was refused (diags say why); -ENOMEM;
 *         -EIO libcrypto failed
 */
int msp_policy_compile(const char *text, size_t len, struct msp_diags *diags,
                       uint8_t **ret_image, size_t *ret_len);

/* The built-in default document: IMDS open, WireServer and HostGA for root. */
const char *msp_policy_default(void);

enum msp_dump_format {
    MSP_DUMP_TEXT,
    MSP_DUMP_JSON
};

/*
 * Prints a checked image; stable for the same image.
 * @return 0; -EIO writing failed
 */
int msp_policy_dump(const struct msp_image *image, enum msp_dump_format format,
                    FILE *out);
