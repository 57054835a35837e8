/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <errno.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <msp/canon.h>

/*
 * A pair of a request is at most one request line and goes through the stack
 * in one call: libcrypto's context would be an allocation a pair.
 */
#define STACK_BYTES 512

static int hash_long(const char *key, size_t key_len, const char *value,
                     size_t value_len, uint8_t ret_md[SHA256_DIGEST_LENGTH])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int r = -EIO;

    if (!ctx)
        return -EIO;
    if (EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 &&
        EVP_DigestUpdate(ctx, key, key_len) == 1 &&
        EVP_DigestUpdate(ctx, "", 1) == 1 &&
        EVP_DigestUpdate(ctx, value, value_len) == 1 &&
        EVP_DigestFinal_ex(ctx, ret_md, NULL) == 1)
        r = 0;
    EVP_MD_CTX_free(ctx);
    return r;
}

int msp_canon_pair_hash(const char *key, size_t key_len, const char *value,
                        size_t value_len, uint8_t ret_hash[MSP_PAIR_HASH_BYTES])
{
    uint8_t md[SHA256_DIGEST_LENGTH];
    char text[STACK_BYTES];

    _Static_assert(MSP_PAIR_HASH_BYTES <= SHA256_DIGEST_LENGTH, "hash");
    if (key_len >= sizeof(text) || value_len >= sizeof(text) - key_len) {
        int r = hash_long(key, key_len, value, value_len, md);

        if (r < 0)
            return r;
    } else {
        memcpy(text, key, key_len);
        text[key_len] = '\0';
        memcpy(text + key_len + 1, value, value_len);
        if (!SHA256((const uint8_t *)text, key_len + 1 + value_len, md))
            return -EIO;
    }
    memcpy(ret_hash, md, MSP_PAIR_HASH_BYTES);
    return 0;
}
