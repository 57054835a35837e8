/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "keeper/keyfile.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <openssl/crypto.h>

#include <msp/cleanup.h>

/* Jansson's copies of the key are wiped when it frees them. */
struct block {
    size_t len;
    max_align_t data[];
};

static void *block_new(size_t len)
{
    struct block *block;

    if (len > SIZE_MAX - sizeof(*block))
        return NULL;
    block = malloc(sizeof(*block) + len);
    if (!block)
        return NULL;
    block->len = len;
    return block->data;
}

static void block_free(void *data)
{
    struct block *block;

    if (!data)
        return;
    block = (struct block *)((char *)data - offsetof(struct block, data));
    OPENSSL_cleanse(block, sizeof(*block) + block->len);
    free(block);
}

static void put_json(json_t **json)
{
    json_decref(*json);
}

static bool is_guid(const char *text)
{
    if (strlen(text) != MSP_GUID_BYTES - 1)
        return false;
    for (size_t i = 0; i < MSP_GUID_BYTES - 1; i++) {
        bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (is_dash ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
            return false;
    }
    return true;
}

static unsigned int nibble(char c)
{
    int digit = tolower((unsigned char)c);

    return (unsigned int)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

static bool parse_hex(const char *text, uint8_t ret[MSP_KEY_BYTES])
{
    if (strlen(text) != 2 * MSP_KEY_BYTES)
        return false;
    for (size_t i = 0; i < MSP_KEY_BYTES; i++) {
        if (!isxdigit((unsigned char)text[2 * i]) ||
            !isxdigit((unsigned char)text[2 * i + 1]))
            return false;
        ret[i] = (uint8_t)(nibble(text[2 * i]) << 4 | nibble(text[2 * i + 1]));
    }
    return true;
}

static const char *fault_of(const json_t *json, struct msp_keyfile *ret)
{
    static const char *const known[] = {"authorizationScheme", "incarnationId",
                                        "guid", "issued", "key"};
    const char *scheme, *guid, *key;
    void *iter;

    if (!json_is_object(json))
        return "not a JSON object";
    for (iter = json_object_iter((json_t *)(uintptr_t)json); iter;
         iter = json_object_iter_next((json_t *)(uintptr_t)json, iter)) {
        bool is_known = false;

        for (size_t i = 0; i < ARRAY_SIZE(known); i++)
            is_known |= msp_streq(json_object_iter_key(iter), known[i]);
        if (!is_known)
            return "unknown member";
    }
    scheme = json_string_value(json_object_get(json, "authorizationScheme"));
    if (!scheme || !msp_streq(scheme, "Azure-HMAC-SHA256"))
        return "authorizationScheme is not Azure-HMAC-SHA256";
    guid = json_string_value(json_object_get(json, "guid"));
    if (!guid || !is_guid(guid))
        return "guid is not 8-4-4-4-12 hex digits";
    key = json_string_value(json_object_get(json, "key"));
    if (!key || !parse_hex(key, ret->key))
        return "key is not 64 hex digits";
    memcpy(ret->guid, guid, MSP_GUID_BYTES);
    return NULL;
}

int msp_keyfile_parse(const char *text, size_t len, struct msp_keyfile *ret,
                      const char **reterr_why)
{
    msp_cleanup(put_json) json_t *json = NULL;
    const char *why;

    json_set_alloc_funcs(block_new, block_free);
    memset(ret, 0, sizeof(*ret));
    if (len > MSP_KEYFILE_BYTES_MAX) {
        *reterr_why = "too large";
        return -EINVAL;
    }
    /* JSON text is never shown: an excerpt could be the key */
    json = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    why = json ? fault_of(json, ret) : "not JSON";
    if (why) {
        OPENSSL_cleanse(ret, sizeof(*ret));
        *reterr_why = why;
        return -EINVAL;
    }
    return 0;
}
