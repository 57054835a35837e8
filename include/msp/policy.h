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

/* What a document looks like. */
enum msp_form {
    MSP_FORM_AUTO = 0, /* by its members; more than one or none: an error */
    MSP_FORM_NATIVE,   /* {"version":1,"endpoints":{NAME:ITEM...}} */
    MSP_FORM_STATUS,   /* authorizationRules of a status answer */
    MSP_FORM_LOCAL,    /* a local rule file: one ITEM without a mode */
    MSP_FORM_ARM,      /* a resource inVMAccessControlProfiles/versions */
    MSP_FORM_COUNT,
};

/* How to read a document. All zero: a document that says everything. */
struct msp_policy_options {
    enum msp_form form;
    /*
     * "imds" or "wireserver": whose item a local rule file or a resource is;
     * NULL = not said, an error with these two. The other forms do not look.
     */
    const char *endpoint;
    enum msp_mode mode; /* of a local rule file, NONE = enforce; an error with
                           the others, which say it themselves */
};

/* The form of a word of --form. @return 0; -EINVAL no such form */
int msp_policy_form_of(const char *word, enum msp_form *ret_form);

/* The mode of a word of --mode. @return 0; -EINVAL no such mode */
int msp_policy_mode_of(const char *word, enum msp_mode *ret_mode);

/*
 * Compiles a document.
 * @param text [len] UTF-8 JSON, need not end in NUL
 * @param diags appended to, errors and warnings; initialised by the caller
 * @param ret_image set only on success; owned by the caller, free()
 * @param ret_len its length in bytes
 * @return 0; -EINVAL the document was refused (diags say why); -ENOMEM;
 *         -EIO libcrypto failed
 */
int msp_policy_compile_as(const char *text, size_t len,
                          const struct msp_policy_options *options,
                          struct msp_diags *diags, uint8_t **ret_image,
                          size_t *ret_len);

/* The same, of the native form. */
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
