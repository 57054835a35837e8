/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "keeper/keyfile.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <openssl/crypto.h>

#include <msp/cleanup.h>

#include "keeper/status.h"

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

static bool is_known(const char *name)
{
    static const char *const known[] = {"authorizationScheme", "incarnationId",
                                        "guid", "issued", "key"};

    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (msp_streq(name, known[i]))
            return true;
    return false;
}

/* The two members that only travel with a key. */
static const char *fault_of_rest(const json_t *json, struct msp_keyfile *ret)
{
    const json_t *incarnation = json_object_get(json, "incarnationId");
    const json_t *issued = json_object_get(json, "issued");
    const char *text = json_string_value(issued);

    if (incarnation && !json_is_null(incarnation)) {
        if (!json_is_integer(incarnation) ||
            json_integer_value(incarnation) < 0 ||
            json_integer_value(incarnation) > UINT32_MAX)
            return "incarnationId is not an unsigned 32-bit number";
        ret->has_incarnation = true;
        ret->incarnation = (uint32_t)json_integer_value(incarnation);
    }
    if (!issued)
        return NULL;
    if (!text || strlen(text) >= sizeof(ret->issued))
        return "issued is not a short string";
    /* it is written into a file as it is */
    for (const char *p = text; *p; p++)
        if (*p < ' ' || *p > '~' || *p == '"' || *p == '\\')
            return "issued has other than plain characters";
    memcpy(ret->issued, text, strlen(text) + 1);
    return NULL;
}

static const char *fault_of(const json_t *json, enum msp_keyfile_from from,
                            struct msp_keyfile *ret)
{
    const char *scheme, *guid, *key;
    void *iter;

    if (!json_is_object(json))
        return "not a JSON object";
    for (iter = json_object_iter((json_t *)(uintptr_t)json);
         iter && from == MSP_KEYFILE_OF_US;
         iter = json_object_iter_next((json_t *)(uintptr_t)json, iter))
        if (!is_known(json_object_iter_key(iter)))
            return "unknown member";
    scheme = json_string_value(json_object_get(json, "authorizationScheme"));
    if (!scheme || !msp_streq(scheme, "Azure-HMAC-SHA256"))
        return "authorizationScheme is not Azure-HMAC-SHA256";
    guid = json_string_value(json_object_get(json, "guid"));
    if (!guid || !msp_status_is_guid(guid))
        return "guid is not 8-4-4-4-12 hex digits";
    key = json_string_value(json_object_get(json, "key"));
    if (!key || !parse_hex(key, ret->key))
        return "key is not 64 hex digits";
    memcpy(ret->guid, guid, MSP_GUID_BYTES);
    return fault_of_rest(json, ret);
}

void msp_keyfile_wipe_json(void)
{
    json_set_alloc_funcs(block_new, block_free);
}

int msp_keyfile_parse(const char *text, size_t len, enum msp_keyfile_from from,
                      struct msp_keyfile *ret, const char **reterr_why)
{
    msp_cleanup(put_json) json_t *json = NULL;
    const char *why;

    msp_keyfile_wipe_json();
    memset(ret, 0, sizeof(*ret));
    if (len > MSP_KEYFILE_BYTES_MAX) {
        *reterr_why = "too large";
        return -EINVAL;
    }
    /* JSON text is never shown: an excerpt could be the key */
    json = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    why = json ? fault_of(json, from, ret) : "not JSON";
    if (why) {
        OPENSSL_cleanse(ret, sizeof(*ret));
        *reterr_why = why;
        return -EINVAL;
    }
    return 0;
}

/* --- writing -------------------------------------------------------------- */

/* Appends text; there is room for every key file. */
static size_t put(char *text, size_t at, const char *part)
{
    size_t len = strlen(part);

    memcpy(text + at, part, len);
    return at + len;
}

size_t msp_keyfile_print(const struct msp_keyfile *file,
                         char ret_text[MSP_KEYFILE_BYTES_MAX])
{
    static const char digits[] = "0123456789ABCDEF";
    char number[48];
    size_t at = 0;

    at = put(ret_text, at,
             "{\n  \"authorizationScheme\": \"Azure-HMAC-SHA256\",\n");
    if (file->has_incarnation) {
        (void)snprintf(number, sizeof(number), "  \"incarnationId\": %u,\n",
                       (unsigned int)file->incarnation);
        at = put(ret_text, at, number);
    }
    at = put(ret_text, at, "  \"guid\": \"");
    at = put(ret_text, at, file->guid);
    at = put(ret_text, at, "\",\n  \"issued\": \"");
    at = put(ret_text, at, file->issued);
    at = put(ret_text, at, "\",\n  \"key\": \"");
    /* by hand: stdio would keep a copy of the digits */
    for (size_t i = 0; i < MSP_KEY_BYTES; i++) {
        ret_text[at++] = digits[file->key[i] >> 4];
        ret_text[at++] = digits[file->key[i] & 15];
    }
    return put(ret_text, at, "\"\n}");
}
