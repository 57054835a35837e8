/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The host's policy: what an answer to a poll says is to be enforced, compiled.
 * Sans-IO. A document that the compiler refuses gives an image all the same,
 * for a host that never had a good one: each endpoint in its own mode if that
 * can be read, else enforced, and nobody is allowed.
 *
 * Items that ask for it get a local rule file merged in (localrules.h). One that
 * may not be used leaves the last good one; where there is none nobody is
 * allowed, in the host's mode. The host's document has to be sound by itself.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keeper/status.h"

#define MSP_RULES_WHY_BYTES    256
#define MSP_RULES_DIGEST_BYTES 32

/* The local rule file of one endpoint. */
struct msp_rules_local {
    enum msp_local_file file;
    enum msp_local_use use;
    char *text; /* [len] of THERE, owned */
    size_t len;
    char *good; /* [good_len] merged last, owned; NULL = none was */
    size_t good_len;
    char refused[64];              /* of REFUSED: why */
    char why[MSP_RULES_WHY_BYTES]; /* of KEPT and DENIED */
};

struct msp_rules {
    /* of what was compiled last: the same once more is not compiled again */
    uint8_t digest[MSP_RULES_DIGEST_BYTES];
    bool is_known;
    char why[MSP_RULES_WHY_BYTES]; /* it was refused; "" = it was not */
    struct msp_rules_local local[MSP_LOCAL_FILES]; /* by enum msp_builtin */
    char *asked; /* [asked_len] the host's document, owned, if it asks for
                    local files; NULL = it does not */
    size_t asked_len;
};

/* Releases what it owns; may be called twice. */
void msp_rules_clear(struct msp_rules *rules);

/*
 * @param text [len] body that msp_status_parse() has taken
 * @param status what it made of it
 * @param ret_image compiled, owned by the caller, free(); NULL = as before
 * @param ret_is_fallback the document was refused, and `why` says what for
 * @return 0; -ENOMEM; -EIO: nothing is known then
 */
int msp_rules_compile(struct msp_rules *rules, const char *text, size_t len,
                      const struct msp_status *status, uint8_t **ret_image,
                      size_t *ret_len, bool *ret_is_fallback);

/*
 * A local rule file is another, or none.
 * @param file but MSP_LOCAL_UNTOLD
 * @param text [len] of MSP_LOCAL_THERE, taken over, malloc'ed; else NULL
 * @param why of MSP_LOCAL_REFUSED; else ""
 */
void msp_rules_set_local(struct msp_rules *rules, enum msp_builtin endpoint,
                         enum msp_local_file file, char *text, size_t len,
                         const char *why);

/*
 * Compiles the host's document again after that.
 * @return as msp_rules_compile; nothing has changed while the host asks for
 *         no local file
 */
int msp_rules_again(struct msp_rules *rules, uint8_t **ret_image,
                    size_t *ret_len, bool *ret_is_fallback);

/* Why local rule files were refused, in a line; "" = none was. */
void msp_rules_local_why(const struct msp_rules *rules,
                         char ret_why[MSP_RULES_WHY_BYTES]);
