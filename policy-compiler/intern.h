/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A hash table from bytes to a number: names to indexes, sets to set ids.
 * Keys are borrowed and must stay where they are.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct intern_slot {
    const void *key; /* borrowed; NULL = free */
    size_t len;
    uint32_t value;
};

struct intern {
    struct intern_slot *slot; /* [cap], cap a power of two */
    size_t cap;
    size_t n;
    size_t max; /* entries the table was made for */
};

/* Empties it and makes room for n keys. @return 0; -ENOMEM */
int msp_intern_init(struct intern *table, size_t n);
void msp_intern_done(struct intern *table);

/* @param ret_value set only when found; may be NULL */
bool msp_intern_find(const struct intern *table, const void *key, size_t len,
                     uint32_t *ret_value);

/*
 * Adds a key that is not there yet.
 * @return the value now stored for it, an earlier one if there was one
 */
uint32_t msp_intern_add(struct intern *table, const void *key, size_t len,
                        uint32_t value);
