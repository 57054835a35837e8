/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The three requests of the secure channel, as bytes. Sans-IO: the date is
 * given. Attestation is signed with the key that is being attested.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "proxy/sign.h"

/* What is asked of the host. */
enum msp_ask {
    MSP_ASK_NONE = 0,
    MSP_ASK_STATUS, /* GET /secure-channel/status */
    MSP_ASK_KEY,    /* POST /secure-channel/key */
    MSP_ASK_ATTEST, /* POST /secure-channel/key/{guid}/key-attestation */
};

#define MSP_ASK_BYTES 1024

/*
 * @param unix_s the host's time
 * @param sign, key with MSP_ASK_ATTEST: scratch, and the key, whose GUID is
 *        the one attested
 * @param ret_text no NUL
 * @param ret_len its bytes
 * @return 0; -ENOKEY; -EIO; -E2BIG
 */
int msp_ask_print(enum msp_ask ask, int64_t unix_s, struct msp_sign *sign,
                  struct msp_key *key, char ret_text[MSP_ASK_BYTES],
                  size_t *ret_len);
