/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The token that unlocks the tamper guard: who may end its protection, on
 * which host, until when. Pure but for reading a key file; no clock.
 *
 *     mspd-unlock 1
 *     host <machine id>
 *     expires <seconds since 1970>
 *     signature <base64>
 *
 * Each line ends in LF. The signature is Ed25519 over the three lines before.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum {
    MSP_TOKEN_KEY_BYTES = 32,
};

struct msp_token_rule {
    const uint8_t *key; /* [MSP_TOKEN_KEY_BYTES] Ed25519 public key */
    const char *host;   /* of this host */
    uint64_t now_s;     /* since 1970 */
};

/*
 * Reads a public key as `openssl pkey -pubout` writes it (PEM).
 * @return NULL; static text: why not
 */
const char *msp_token_read_key(int fd, uint8_t ret_key[MSP_TOKEN_KEY_BYTES]);

/*
 * @param text [len] any bytes
 * @param ret_expires_s since 1970
 * @return NULL: it is good; static text: why not
 */
const char *msp_token_check(const char *text, size_t len,
                            const struct msp_token_rule *rule,
                            uint64_t *ret_expires_s);
