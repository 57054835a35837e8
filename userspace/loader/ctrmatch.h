/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Which identities of an image name a container: its facts against their
 * demands. Pure. Each identity is looked for by the rarest of its demands, so
 * that a container is compared with few of them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <msp/image.h>

/* One text a container or its pod has. */
struct msp_ctr_fact {
    enum msp_demand_kind kind;
    const char *key; /* of a label, else ""; borrowed, as value */
    const char *value;
    uint64_t hash; /* msp_ctr_hash() of these */
};

uint64_t msp_ctr_hash(enum msp_demand_kind kind, const char *key,
                      const char *value);

struct msp_ctr_anchor;

/* Zero-initialised: an image that demands nothing. */
struct msp_ctr_match {
    struct msp_image image;        /* what it points to is borrowed */
    struct msp_idset wild;         /* identities that demand no container */
    uint64_t *hash;                /* [demands of the image], owned */
    struct msp_ctr_anchor *anchor; /* [n], owned, sorted by hash */
    size_t n;
};

/*
 * @param image a checked view; its bytes must outlive the match
 * @param ret empty @return 0; -ENOMEM
 */
int msp_ctr_match_init(const struct msp_image *image,
                       struct msp_ctr_match *ret);
void msp_ctr_match_done(struct msp_ctr_match *match);

/*
 * @param fact [n]
 * @param ret_set wildcard bits, and the identities all of whose demands are met
 * @return how many identities are in it beside the wildcards
 */
uint32_t msp_ctr_match_find(const struct msp_ctr_match *match,
                            const struct msp_ctr_fact *fact, size_t n,
                            struct msp_idset *ret_set);
