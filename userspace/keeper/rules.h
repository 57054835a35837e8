/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The host's policy: what an answer to a poll says is to be enforced, compiled.
 * Sans-IO. A document that the compiler refuses gives an image all the same,
 * for a host that never had a good one: each endpoint in its own mode if that
 * can be read, else enforced, and nobody is allowed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keeper/status.h"

#define MSP_RULES_WHY_BYTES    256
#define MSP_RULES_DIGEST_BYTES 32

struct msp_rules {
    /* of what was compiled last: the same once more is not compiled again */
    uint8_t digest[MSP_RULES_DIGEST_BYTES];
    bool is_known;
    char why[MSP_RULES_WHY_BYTES]; /* it was refused; "" = it was not */
};

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
