/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The latched key. Nobody else sees its bytes: they arrive in the one locked
 * page below, become a prepared HMAC state and are wiped. The GUID is swapped
 * together with the state, so a signature never names another key.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <msp/child.h>

#define MSP_HMAC_BYTES 32

struct msp_key; /* opaque */

/*
 * Takes the page: locked in memory, left out of core dumps, empty in a forked
 * child. Loads the digest, so call it before the sandbox.
 * @return 0; -EIO libcrypto failed; negative errno
 */
int msp_key_new(struct msp_key **ret_key);
struct msp_key *msp_key_free(struct msp_key *key); /* NULL */

/*
 * Room in the locked page for one packet of the control socket, so that key
 * bytes touch no other memory; wiped by msp_key_wipe_packet.
 * @param ret_len its size in bytes
 */
void *msp_key_packet(struct msp_key *key, size_t *ret_len);
void msp_key_wipe_packet(struct msp_key *key);

/*
 * Replaces key and GUID; an empty GUID means "no key". After a failure there
 * is no key.
 * @return 0; -EINVAL the GUID is not one; -EIO libcrypto failed
 */
int msp_key_set(struct msp_key *key, const struct msp_child_key *packet);

bool msp_key_is_set(const struct msp_key *key);
const char *msp_key_guid(const struct msp_key *key); /* "" for none */

/*
 * HMAC-SHA256 over the concatenation of the parts.
 * @param part [n]
 * @return 0; -ENOKEY; -EIO libcrypto failed
 */
struct msp_key_part {
    const void *ptr;
    size_t len;
};

int msp_key_hmac(struct msp_key *key, const struct msp_key_part *part, size_t n,
                 uint8_t ret_mac[MSP_HMAC_BYTES]);
