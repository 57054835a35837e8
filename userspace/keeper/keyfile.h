/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The key file: one JSON object {authorizationScheme, guid, key,
 * incarnationId?, issued?} as the Azure agent stores it. Sans-IO. The caller
 * owns the text and must cleanse it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <msp/child.h>

enum {
    MSP_KEYFILE_BYTES_MAX = 4096
};

struct msp_keyfile {
    char guid[MSP_GUID_BYTES]; /* lower or upper case as in the file */
    uint8_t key[MSP_KEY_BYTES];
};

/*
 * @param text [len]
 * @param ret cleansed on failure
 * @param reterr_why static text naming the fault, without key material
 * @return 0; -EINVAL; -ENOMEM
 */
int msp_keyfile_parse(const char *text, size_t len, struct msp_keyfile *ret,
                      const char **reterr_why);
