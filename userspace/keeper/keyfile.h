/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The key file: one JSON object {authorizationScheme, guid, key,
 * incarnationId?, issued?} as the Azure agent stores it and the host hands it
 * out. Sans-IO. The caller owns the text and must cleanse it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <msp/child.h>

enum {
    MSP_KEYFILE_BYTES_MAX = 4096,
    MSP_KEYFILE_ISSUED_BYTES = 64 /* with the NUL */
};

enum msp_keyfile_from {
    MSP_KEYFILE_OF_US,   /* unknown members are refused */
    MSP_KEYFILE_OF_HOST, /* an answer, or another agent's file: they are not */
};

struct msp_keyfile {
    char guid[MSP_GUID_BYTES]; /* lower or upper case as in the file */
    uint8_t key[MSP_KEY_BYTES];
    bool has_incarnation;
    uint32_t incarnation;
    char issued[MSP_KEYFILE_ISSUED_BYTES]; /* as received, "" = not said */
};

/* From here on Jansson wipes what it frees; before the first document. */
void msp_keyfile_wipe_json(void);

/*
 * @param text [len]
 * @param ret cleansed on failure
 * @param reterr_why static text naming the fault, without key material
 * @return 0; -EINVAL; -ENOMEM
 */
int msp_keyfile_parse(const char *text, size_t len, enum msp_keyfile_from from,
                      struct msp_keyfile *ret, const char **reterr_why);

/*
 * Writes the file, members and order as the Azure agent does.
 * @param ret_text [MSP_KEYFILE_BYTES_MAX], no NUL
 * @return length in bytes
 */
size_t msp_keyfile_print(const struct msp_keyfile *file,
                         char ret_text[MSP_KEYFILE_BYTES_MAX]);
