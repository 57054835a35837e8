/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The order of each sorted section, one definition for writer and reader. */
#pragma once

#include <string.h>

#include <msp/image.h>

static inline int order_u32(uint32_t a, uint32_t b)
{
    return a < b ? -1 : a > b;
}

/* Port, address, then length: a covering prefix before what it covers. */
static inline int order_prefix(const struct msp_ep_key *a,
                               const struct msp_ep_key *b)
{
    int r = order_u32(a->port, b->port);

    if (r == 0)
        r = memcmp(a->addr, b->addr, sizeof(a->addr));
    return r ? r : order_u32(a->prefixlen, b->prefixlen);
}

/* Endpoint, text (zero-filled), then length. */
static inline int order_path(const struct msp_path_key *a,
                             const struct msp_path_key *b)
{
    int r = order_u32(a->endpoint, b->endpoint);

    if (r == 0)
        r = memcmp(a->path, b->path, sizeof(a->path));
    return r ? r : order_u32(a->prefixlen, b->prefixlen);
}

/* NUL-padded names compare as bytes. */
static inline int order_process(const struct msp_name *a,
                                const struct msp_name *b)
{
    return memcmp(a->text, b->text, sizeof(a->text));
}

/* State, then name: the edge of any other segment first. */
static inline int order_cg_key(const struct msp_cg_key *a,
                               const struct msp_cg_key *b)
{
    int r = order_u32(a->state, b->state);

    return r ? r : memcmp(a->name, b->name, sizeof(a->name));
}

static inline int order_pair(const struct msp_pair_key *a,
                             const struct msp_pair_key *b)
{
    int r = order_u32(a->endpoint, b->endpoint);

    return r ? r : memcmp(a->hash, b->hash, sizeof(a->hash));
}
