/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/token.h"

#include <openssl/evp.h>
#include <openssl/pem.h>

#include <msp/cleanup.h>
#include <msp/limits.h>

#include "base/io.h"

enum {
    SIGNATURE_BYTES = 64,
    SIGNATURE_TEXT = 88, /* base64 of it, two of them '=' */
    KEY_FILE_MAX = 4096,
};

static const char first_line[] = "mspd-unlock 1\n";

static void free_bio(BIO **bio)
{
    BIO_free(*bio);
}

static void free_key(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static void free_md(EVP_MD_CTX **md)
{
    EVP_MD_CTX_free(*md);
}

const char *msp_token_read_key(int fd, uint8_t ret_key[MSP_TOKEN_KEY_BYTES])
{
    msp_cleanup(free_bio) BIO *bio = NULL;
    msp_cleanup(free_key) EVP_PKEY *key = NULL;
    msp_autofree char *text = NULL;
    size_t len = 0, n = MSP_TOKEN_KEY_BYTES;

    if (msp_io_slurp(fd, KEY_FILE_MAX, &text, &len) < 0)
        return "it cannot be read, or is too large";
    bio = BIO_new_mem_buf(text, (int)len);
    if (bio)
        key = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
    if (!key)
        return "it is not a public key in PEM form";
    if (EVP_PKEY_get_id(key) != EVP_PKEY_ED25519 ||
        EVP_PKEY_get_raw_public_key(key, ret_key, &n) != 1 ||
        n != MSP_TOKEN_KEY_BYTES)
        return "it is not an Ed25519 key";
    return NULL;
}

/* @return what follows `<name> ` in a line that ends in LF; NULL */
static const char *field(const char **at, const char *end, const char *name,
                         size_t *ret_len)
{
    size_t n = strlen(name);
    const char *value = *at + n + 1;
    const char *line_end = memchr(*at, '\n', (size_t)(end - *at));

    if (!line_end || (size_t)(line_end - *at) <= n + 1 ||
        memcmp(*at, name, n) != 0 || (*at)[n] != ' ')
        return NULL;
    *ret_len = (size_t)(line_end - value);
    *at = line_end + 1;
    return value;
}

/* Digits alone, no leading zero. @return 0: it is no such number */
static uint64_t number(const char *text, size_t len)
{
    uint64_t n = 0;

    if (len == 0 || len > 12 || text[0] == '0')
        return 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return 0;
        n = 10 * n + (uint64_t)(text[i] - '0');
    }
    return n;
}

/* @param signature [SIGNATURE_TEXT] base64 */
static bool is_signed(const char *text, size_t len, const char *signature,
                      const uint8_t key_bytes[MSP_TOKEN_KEY_BYTES])
{
    unsigned char raw[SIGNATURE_BYTES + 2];
    msp_cleanup(free_key) EVP_PKEY *key = EVP_PKEY_new_raw_public_key(
        EVP_PKEY_ED25519, NULL, key_bytes, MSP_TOKEN_KEY_BYTES);
    msp_cleanup(free_md) EVP_MD_CTX *md = EVP_MD_CTX_new();

    if (!key || !md ||
        EVP_DecodeBlock(raw, (const unsigned char *)signature,
                        SIGNATURE_TEXT) != (int)sizeof(raw))
        return false;
    /* fail closed: an error is no signature */
    return EVP_DigestVerifyInit(md, NULL, NULL, NULL, key) == 1 &&
           EVP_DigestVerify(md, raw, SIGNATURE_BYTES,
                            (const unsigned char *)text, len) == 1;
}

const char *msp_token_check(const char *text, size_t len,
                            const struct msp_token_rule *rule,
                            uint64_t *ret_expires_s)
{
    static const char malformed[] = "it is not a token of mspd-unlock 1";
    const char *at = text, *end = text + len, *host, *expires, *signature;
    size_t host_len, expires_len, signature_len, signed_len;
    uint64_t expires_s;

    if (len < sizeof(first_line) - 1 ||
        memcmp(text, first_line, sizeof(first_line) - 1) != 0)
        return malformed;
    at += sizeof(first_line) - 1;
    host = field(&at, end, "host", &host_len);
    expires = host ? field(&at, end, "expires", &expires_len) : NULL;
    signed_len = (size_t)(at - text);
    signature = expires ? field(&at, end, "signature", &signature_len) : NULL;
    if (!signature || at != end || signature_len != SIGNATURE_TEXT)
        return malformed;
    expires_s = number(expires, expires_len);
    if (!is_signed(text, signed_len, signature, rule->key))
        return "its signature is not of the key this mspd was given";
    if (host_len != strlen(rule->host) ||
        memcmp(host, rule->host, host_len) != 0)
        return "it is for another host";
    if (expires_s <= rule->now_s)
        return "it has expired";
    if (expires_s - rule->now_s > MSP_UNLOCK_TOKEN_MAX_S)
        return "it is valid for more than a day";
    *ret_expires_s = expires_s;
    return NULL;
}
