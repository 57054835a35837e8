/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "key.h"

#include <errno.h>
#include <sys/mman.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <msp/cleanup.h>

#define PAGE_BYTES   4096
#define SECURE_BYTES 16384 /* libcrypto's locked heap, a power of two */
#define SECURE_LEAST 16    /* its smallest piece */

struct page {
    char guid[MSP_GUID_BYTES];
    uint8_t pad[3];
    uint8_t packet[1024] __attribute__((aligned(8)));
};

_Static_assert(sizeof(struct page) <= PAGE_BYTES, "page");
_Static_assert(sizeof(struct msp_child_key) <= 1024, "packet");

struct msp_key {
    struct page *page;
    EVP_MAC *mac;
    EVP_MAC_CTX *ctx; /* prepared with the key; NULL = no key */
};

int msp_key_new(struct msp_key **ret_key)
{
    struct msp_key *key = calloc(1, sizeof(*key));
    void *page;
    int r;

    if (!key)
        return -ENOMEM;
    page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) {
        r = -errno;
        msp_key_free(key);
        return r;
    }
    key->page = page;
    if (mlock(page, PAGE_BYTES) < 0 ||
        madvise(page, PAGE_BYTES, MADV_DONTDUMP) < 0 ||
        madvise(page, PAGE_BYTES, MADV_WIPEONFORK) < 0) {
        /* fail closed: a key in swappable memory is worse than none */
        r = -errno;
        msp_key_free(key);
        return r;
    }
    /* fail closed: as above, for the copies libcrypto makes */
    if (CRYPTO_secure_malloc_init(SECURE_BYTES, SECURE_LEAST) != 1 &&
        !CRYPTO_secure_malloc_initialized()) {
        msp_key_free(key);
        return -ENOMEM;
    }
    key->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    if (!key->mac) {
        msp_key_free(key);
        return -EIO;
    }
    *ret_key = key;
    return 0;
}

struct msp_key *msp_key_free(struct msp_key *key)
{
    if (!key)
        return NULL;
    EVP_MAC_CTX_free(key->ctx);
    EVP_MAC_free(key->mac);
    if (key->page) {
        OPENSSL_cleanse(key->page, PAGE_BYTES);
        (void)munmap(key->page, PAGE_BYTES);
    }
    free(key);
    return NULL;
}

void *msp_key_packet(struct msp_key *key, size_t *ret_len)
{
    *ret_len = sizeof(key->page->packet);
    return key->page->packet;
}

void msp_key_wipe_packet(struct msp_key *key)
{
    OPENSSL_cleanse(key->page->packet, sizeof(key->page->packet));
}

/* Visible ASCII without blanks: it becomes part of a header. */
static bool is_guid(const char guid[MSP_GUID_BYTES])
{
    size_t len = strnlen(guid, MSP_GUID_BYTES);

    if (len == MSP_GUID_BYTES)
        return false;
    for (size_t i = 0; i < len; i++)
        if (guid[i] <= ' ' || guid[i] > '~')
            return false;
    return true;
}

static EVP_MAC_CTX *prepare(EVP_MAC *mac, const uint8_t bytes[MSP_KEY_BYTES])
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);

    if (ctx && EVP_MAC_init(ctx, bytes, MSP_KEY_BYTES, params) == 1)
        return ctx;
    EVP_MAC_CTX_free(ctx);
    return NULL;
}

int msp_key_set(struct msp_key *key, const struct msp_child_key *packet)
{
    /* fail closed: whatever happens below, the old key signs no more */
    EVP_MAC_CTX_free(key->ctx); /* wipes its state */
    key->ctx = NULL;
    OPENSSL_cleanse(key->page->guid, sizeof(key->page->guid));
    if (!is_guid(packet->guid))
        return -EINVAL;
    if (packet->guid[0] == '\0')
        return 0;
    key->ctx = prepare(key->mac, packet->key);
    if (!key->ctx)
        return -EIO;
    memcpy(key->page->guid, packet->guid, sizeof(key->page->guid));
    return 0;
}

bool msp_key_is_set(const struct msp_key *key)
{
    return key->ctx != NULL;
}

const char *msp_key_guid(const struct msp_key *key)
{
    return key->page->guid;
}

int msp_key_hmac(struct msp_key *key, const struct msp_key_part *part, size_t n,
                 uint8_t ret_mac[MSP_HMAC_BYTES])
{
    size_t len = 0;

    if (!key->ctx)
        return -ENOKEY;
    /* A NULL key starts over with the prepared one. */
    if (EVP_MAC_init(key->ctx, NULL, 0, NULL) != 1)
        return -EIO;
    for (size_t i = 0; i < n; i++)
        if (part[i].len &&
            EVP_MAC_update(key->ctx, part[i].ptr, part[i].len) != 1)
            return -EIO;
    if (EVP_MAC_final(key->ctx, ret_mac, &len, MSP_HMAC_BYTES) != 1 ||
        len != MSP_HMAC_BYTES)
        return -EIO;
    return 0;
}
