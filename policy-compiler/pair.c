/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include <openssl/evp.h>

#include <msp/canon.h>

/*
 * Fetched once a process and kept: looking an algorithm up costs more than
 * hashing a pair. Not freed, it is used until the end.
 */
static EVP_MD *get_sha256(void)
{
    static _Atomic(EVP_MD *) cached;
    EVP_MD *md = atomic_load(&cached), *none = NULL;

    if (md)
        return md;
    md = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (md && !atomic_compare_exchange_strong(&cached, &none, md)) {
        EVP_MD_free(md);
        md = none;
    }
    return md;
}

int msp_canon_pair_hash(const char *key, size_t key_len, const char *value,
                        size_t value_len, uint8_t ret_hash[MSP_PAIR_HASH_BYTES])
{
    const EVP_MD *sha256 = get_sha256();
    uint8_t md[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *ctx;
    int r = -EIO;

    _Static_assert(MSP_PAIR_HASH_BYTES <= 32, "more than SHA-256 gives");
    if (!sha256)
        return -EIO;
    ctx = EVP_MD_CTX_new();
    if (!ctx)
        return -EIO;
    if (EVP_DigestInit_ex2(ctx, sha256, NULL) == 1 &&
        EVP_DigestUpdate(ctx, key, key_len) == 1 &&
        EVP_DigestUpdate(ctx, "", 1) == 1 &&
        EVP_DigestUpdate(ctx, value, value_len) == 1 &&
        EVP_DigestFinal_ex(ctx, md, NULL) == 1)
        r = 0;
    EVP_MD_CTX_free(ctx);
    if (r == 0)
        memcpy(ret_hash, md, MSP_PAIR_HASH_BYTES);
    return r;
}
