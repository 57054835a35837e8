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

/* FNV-1a; the policy's author is the only one who could make it collide. */
static uint64_t hash(const uint8_t *key, size_t len)
{
    uint64_t h = 0xcbf29ce484222325ull;

    for (size_t i = 0; i < len; i++)
        h = (h ^ key[i]) * 0x100000001b3ull;
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
