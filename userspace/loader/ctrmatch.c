/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "loader/ctrmatch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <msp/cleanup.h>

/* An identity under the hash of one of its demands. */
struct msp_ctr_anchor {
    uint64_t hash;
    uint32_t identity;
};

#define FNV_BASE  0xcbf29ce484222325ull
#define FNV_PRIME 0x100000001b3ull

static uint64_t hash_text(uint64_t hash, const char *text)
{
    do
        hash = (hash ^ (unsigned char)*text) * FNV_PRIME;
    while (*text++);
    return hash;
}

uint64_t msp_ctr_hash(enum msp_demand_kind kind, const char *key,
                      const char *value)
{
    return hash_text(hash_text((FNV_BASE ^ kind) * FNV_PRIME, key), value);
}

static int compare_hash(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static int compare_anchor(const void *a, const void *b)
{
    const struct msp_ctr_anchor *x = a, *y = b;

    return (x->hash > y->hash) - (x->hash < y->hash);
}

/* First of [n] sorted hashes that is not below. */
static size_t lower_bound(const void *first, size_t stride, size_t n,
                          uint64_t hash)
{
    size_t low = 0, high = n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        uint64_t at;

        memcpy(&at, (const char *)first + middle * stride, sizeof(at));
        if (at < hash)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static size_t count(const uint64_t *sorted, size_t n, uint64_t hash)
{
    size_t first = lower_bound(sorted, sizeof(*sorted), n, hash), i = first;

    while (i < n && sorted[i] == hash)
        i++;
    return i - first;
}

/* The demand of an identity that the fewest identities have. */
static uint64_t rarest(const struct msp_ctr_match *match,
                       const struct msp_image_identity *id,
                       const uint64_t *sorted)
{
    uint32_t n = match->image.n[MSP_SEC_DEMANDS];
    uint64_t best = match->hash[id->first_demand];
    size_t least = count(sorted, n, best);

    for (uint32_t i = 1; i < id->n_demands; i++) {
        uint64_t hash = match->hash[id->first_demand + i];
        size_t these = count(sorted, n, hash);

        if (these < least) {
            least = these;
            best = hash;
        }
    }
    return best;
}

static void set_bit(struct msp_idset *set, uint32_t bit)
{
    set->word[bit / 64] |= 1ull << bit % 64;
}

static void add_anchors(struct msp_ctr_match *match, const uint64_t *sorted)
{
    for (uint32_t i = 0; i < match->image.n[MSP_SEC_IDENTITIES]; i++) {
        const struct msp_image_identity *id = &match->image.identities[i];

        if (id->n_demands)
            match->anchor[match->n++] =
                (struct msp_ctr_anchor){rarest(match, id, sorted), i};
        else if (!(id->flags & MSP_ID_NOBODY))
            set_bit(&match->wild, i);
    }
    if (match->n)
        qsort(match->anchor, match->n, sizeof(*match->anchor), compare_anchor);
}

int msp_ctr_match_init(const struct msp_image *image, struct msp_ctr_match *ret)
{
    uint32_t n = image->n[MSP_SEC_DEMANDS];
    msp_autofree uint64_t *sorted = calloc(n + 1u, sizeof(*sorted));

    *ret = (struct msp_ctr_match){.image = *image};
    ret->hash = calloc(n + 1u, sizeof(*ret->hash));
    ret->anchor =
        calloc(image->n[MSP_SEC_IDENTITIES] + 1u, sizeof(*ret->anchor));
    if (!sorted || !ret->hash || !ret->anchor) {
        msp_ctr_match_done(ret);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < n; i++) {
        const struct msp_image_demand *demand = &image->demands[i];

        ret->hash[i] = msp_ctr_hash((enum msp_demand_kind)demand->kind,
                                    msp_image_string(image, demand->key_off),
                                    msp_image_string(image, demand->value_off));
    }
    memcpy(sorted, ret->hash, n * sizeof(*sorted));
    qsort(sorted, n, sizeof(*sorted), compare_hash);
    add_anchors(ret, sorted);
    return 0;
}

void msp_ctr_match_done(struct msp_ctr_match *match)
{
    free(match->hash);
    free(match->anchor);
    *match = (struct msp_ctr_match){0};
}

static bool has_fact(const struct msp_ctr_match *match, uint32_t index,
                     const struct msp_ctr_fact *fact, size_t n)
{
    const struct msp_image_demand *demand = &match->image.demands[index];

    for (size_t i = 0; i < n; i++)
        if (fact[i].hash == match->hash[index] &&
            fact[i].kind == demand->kind &&
            msp_streq(fact[i].key,
                      msp_image_string(&match->image, demand->key_off)) &&
            msp_streq(fact[i].value,
                      msp_image_string(&match->image, demand->value_off)))
            return true;
    return false;
}

static bool is_met(const struct msp_ctr_match *match, uint32_t identity,
                   const struct msp_ctr_fact *fact, size_t n)
{
    const struct msp_image_identity *id = &match->image.identities[identity];

    for (uint32_t i = 0; i < id->n_demands; i++)
        if (!has_fact(match, id->first_demand + i, fact, n))
            return false;
    return true;
}

uint32_t msp_ctr_match_find(const struct msp_ctr_match *match,
                            const struct msp_ctr_fact *fact, size_t n,
                            struct msp_idset *ret_set)
{
    uint32_t n_met = 0;

    *ret_set = match->wild;
    for (size_t i = 0; i < n && match->n; i++) {
        size_t at = lower_bound(match->anchor, sizeof(*match->anchor), match->n,
                                fact[i].hash);

        for (; at < match->n && match->anchor[at].hash == fact[i].hash; at++) {
            uint32_t identity = match->anchor[at].identity;

            if (!is_met(match, identity, fact, n))
                continue;
            set_bit(ret_set, identity);
            n_met++;
        }
    }
    return n_met;
}
