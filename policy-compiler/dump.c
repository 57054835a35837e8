/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * One walk over the tables for both formats would serve neither: text is for
 * reading, JSON for programs. What they share are the words.
 */
#include "dump.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <msp/cleanup.h>
#include <msp/policy.h>

#include "doc.h"
#include "jsontext.h"

const char *msp_dump_mode(const struct msp_endpoint *ep)
{
    static const char *const word[] = {"none", "disabled", "audit", "enforce"};

    _Static_assert(ARRAY_SIZE(word) == MSP_MODE_COUNT, "word");
    return word[ep->mode];
}

const char *msp_dump_on_deny(const struct msp_endpoint *ep)
{
    static const char *const word[] = {"none", "eperm", "refuse", "http"};

    _Static_assert(ARRAY_SIZE(word) == MSP_ON_DENY_COUNT, "word");
    return word[ep->on_deny];
}

void msp_dump_rate_json(const struct msp_endpoint *ep, FILE *out)
{
    if (ep->rate.per_second)
        (void)fprintf(out,
                      ",\"rateLimit\":{\"requestsPerSecond\":%u,"
                      "\"burst\":%u}",
                      ep->rate.per_second, ep->rate.burst);
    else
        (void)fputs(",\"rateLimit\":null", out);
}

const char *const msp_dump_demand_name[MSP_DEMAND_COUNT] = {
    [MSP_DEMAND_CONTAINER_ID] = "id",
    [MSP_DEMAND_CONTAINER_NAME] = "name",
    [MSP_DEMAND_CONTAINER_LABEL] = "label",
    [MSP_DEMAND_POD_NAMESPACE] = "namespace",
    [MSP_DEMAND_POD_NAME] = "name",
    [MSP_DEMAND_POD_ACCOUNT] = "serviceAccount",
    [MSP_DEMAND_POD_LABEL] = "label",
};

void msp_dump_address(const struct msp_ep_key *key, char *ret, size_t size)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    unsigned int bits = key->prefixlen - MSP_EP_KEY_FIXED_BITS;
    char text[INET6_ADDRSTRLEN] = "?";

    if (bits >= 96 && memcmp(key->addr, mapped, sizeof(mapped)) == 0) {
        (void)inet_ntop(AF_INET, key->addr + 12, text, sizeof(text));
        (void)snprintf(ret, size, "%s/%u", text, bits - 96);
    } else {
        (void)inet_ntop(AF_INET6, key->addr, text, sizeof(text));
        (void)snprintf(ret, size, "%s/%u", text, bits);
    }
}

bool msp_dump_is_exact(const struct msp_path_key *key)
{
    uint32_t n = (key->prefixlen - MSP_PATH_KEY_FIXED_BITS) / 8;

    return key->path[n - 1] == '\0';
}

void msp_dump_path(const struct msp_path_key *key,
                   char ret[MSP_PATH_KEY_BYTES + 1])
{
    uint32_t n = (key->prefixlen - MSP_PATH_KEY_FIXED_BITS) / 8;

    memcpy(ret, key->path, n);
    ret[n] = '\0';
}

void msp_dump_hash(const struct msp_pair_key *key,
                   char ret[2 * MSP_PAIR_HASH_BYTES + 1])
{
    for (size_t i = 0; i < MSP_PAIR_HASH_BYTES; i++)
        (void)snprintf(ret + 2 * i, 3, "%02x", key->hash[i]);
}

bool msp_dump_next_bit(const struct msp_idset *set, uint32_t *bit)
{
    for (; *bit < MSP_IDENTITIES_MAX; (*bit)++)
        if (set->word[*bit / 64] >> (*bit % 64) & 1)
            return true;
    return false;
}

int msp_policy_dump(const struct msp_image *image, enum msp_dump_format format,
                    FILE *out)
{
    if (format == MSP_DUMP_JSON)
        msp_dump_json(image, out);
    else
        msp_dump_text(image, out);
    return ferror(out) ? -EIO : 0;
}
