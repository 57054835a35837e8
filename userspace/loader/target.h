/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Which address is which endpoint: what the number of an endpoint in a mark
 * means. If that changes, marks made before must not count any more. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <msp/image.h>

struct msp_target_name {
    char text[MSP_ENDPOINT_NAME_BYTES];
};

struct msp_targets {
    struct msp_target_name *name; /* owned; index = endpoint */
    size_t n_names;
    struct msp_image_prefix *prefix; /* owned; sorted by key */
    size_t n_prefixes;
};

/* @param ret empty. @return 0; -ENOMEM */
int msp_targets_build(const struct msp_image *image, struct msp_targets *ret);

/*
 * The same from copies that the caller made.
 * @param name [n_names] taken over
 * @param prefix [n_prefixes] taken over and sorted; those of port 0, which the
 *        loader added, are dropped
 */
struct msp_targets msp_targets_take(struct msp_target_name *name,
                                    size_t n_names,
                                    struct msp_image_prefix *prefix,
                                    size_t n_prefixes);

/* The same names in the same order at the same addresses. */
bool msp_targets_equal(const struct msp_targets *a,
                       const struct msp_targets *b);

void msp_targets_done(struct msp_targets *targets);
