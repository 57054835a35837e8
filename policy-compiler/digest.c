/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <errno.h>

#include <openssl/evp.h>

#include <msp/image.h>

int msp_image_digest(const void *bytes, size_t len,
                     uint8_t ret_digest[MSP_DIGEST_BYTES])
{
    static const uint8_t zeros[MSP_DIGEST_BYTES];
    const size_t at = offsetof(struct msp_image_header, digest);
    const uint8_t *in = bytes;
    EVP_MD_CTX *ctx;
    int r = -EIO;

    if (len < sizeof(struct msp_image_header))
        return -EINVAL;
    ctx = EVP_MD_CTX_new();
    if (!ctx)
        return -EIO;
    if (EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 &&
        EVP_DigestUpdate(ctx, in, at) == 1 &&
        EVP_DigestUpdate(ctx, zeros, sizeof(zeros)) == 1 &&
        EVP_DigestUpdate(ctx, in + at + sizeof(zeros),
                         len - at - sizeof(zeros)) == 1 &&
        EVP_DigestFinal_ex(ctx, ret_digest, NULL) == 1)
        r = 0;
    EVP_MD_CTX_free(ctx);
    return r;
}

void msp_digest_hex(const uint8_t digest[MSP_DIGEST_BYTES],
                    char ret_hex[2 * MSP_DIGEST_BYTES + 1])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < MSP_DIGEST_BYTES; i++) {
        ret_hex[2 * i] = digits[digest[i] >> 4];
        ret_hex[2 * i + 1] = digits[digest[i] & 15];
    }
    ret_hex[(size_t)2 * MSP_DIGEST_BYTES] = '\0';
}
