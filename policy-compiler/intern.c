/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "intern.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <msp/cleanup.h>

int msp_intern_init(struct intern *table, size_t n)
{
    size_t cap = 16;

    while (cap < 2 * n)
        cap *= 2;
    *table = (struct intern){0};
    table->slot = calloc(cap, sizeof(*table->slot));
    if (!table->slot)
        return -ENOMEM;
    table->cap = cap;
    table->max = n;
    return 0;
}

void msp_intern_done(struct intern *table)
{
    free(table->slot);
    *table = (struct intern){0};
}

/* Multiply and fold; the policy's author alone could make it collide. */
static uint64_t mix(uint64_t h, uint64_t word)
{
    h = (h ^ word) * 0x9e3779b97f4a7c15ull;
    return h ^ h >> 29;
}

static uint64_t hash(const uint8_t *key, size_t len)
{
    uint64_t h = len, word;

    for (; len >= sizeof(word); len -= sizeof(word)) {
        memcpy(&word, key, sizeof(word));
        h = mix(h, word);
        key += sizeof(word);
    }
    word = 0;
    memcpy(&word, key, len);
    h = mix(h, word);
    return h ^ h >> 32;
}

static struct intern_slot *find(const struct intern *table, const void *key,
                                size_t len)
{
    size_t at = hash(key, len) & (table->cap - 1);

    for (;;) {
        struct intern_slot *slot = &table->slot[at];

        if (!slot->key ||
            (slot->len == len && memcmp(slot->key, key, len) == 0))
            return slot;
        at = (at + 1) & (table->cap - 1);
    }
}

bool msp_intern_find(const struct intern *table, const void *key, size_t len,
                     uint32_t *ret_value)
{
    const struct intern_slot *slot = find(table, key, len);

    if (!slot->key)
        return false;
    if (ret_value)
        *ret_value = slot->value;
    return true;
}

uint32_t msp_intern_add(struct intern *table, const void *key, size_t len,
                        uint32_t value)
{
    struct intern_slot *slot = find(table, key, len);

    if (slot->key)
        return slot->value;
    assert(table->n < table->max);
    *slot = (struct intern_slot){key, len, value};
    table->n++;
    return value;
}
