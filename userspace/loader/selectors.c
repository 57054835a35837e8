/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "loader/selectors.h"

#include <string.h>

#include <msp/cleanup.h>

enum {
    OURS = MSP_ID_EXE | MSP_ID_PROCESS | MSP_ID_CGROUP | MSP_ID_UNIT |
           MSP_ID_SHA256 | MSP_ID_CONTAINER | MSP_ID_POD | MSP_ID_NOBODY
};

/* Of the identity of a number; one that is not there demands nothing. */
static uint32_t flags_of(const struct msp_image *image, uint32_t i)
{
    return i < image->n[MSP_SEC_IDENTITIES] ? image->identities[i].flags & OURS
                                            : 0;
}

static bool is_same_text(const struct msp_image *a, uint32_t a_off,
                         const struct msp_image *b, uint32_t b_off)
{
    return msp_streq(msp_image_string(a, a_off), msp_image_string(b, b_off));
}

/* Both sorted. */
static bool is_same_demands(const struct msp_image *a,
                            const struct msp_image_identity *left,
                            const struct msp_image *b,
                            const struct msp_image_identity *right)
{
    if (left->n_demands != right->n_demands)
        return false;
    for (uint32_t i = 0; i < left->n_demands; i++) {
        const struct msp_image_demand *x = &a->demands[left->first_demand + i];
        const struct msp_image_demand *y = &b->demands[right->first_demand + i];

        if (x->kind != y->kind || !is_same_text(a, x->key_off, b, y->key_off) ||
            !is_same_text(a, x->value_off, b, y->value_off))
            return false;
    }
    return true;
}

static bool is_same(const struct msp_image *a, const struct msp_image *b,
                    uint32_t i)
{
    const struct msp_image_identity *left = &a->identities[i];
    const struct msp_image_identity *right = &b->identities[i];
    uint32_t flags = flags_of(a, i);

    if (flags & MSP_ID_EXE && !is_same_text(a, a->exes[left->exe].path_off, b,
                                            b->exes[right->exe].path_off))
        return false;
    if (flags & MSP_ID_SHA256 &&
        memcmp(left->sha256, right->sha256, sizeof(left->sha256)) != 0)
        return false;
    if (flags & MSP_ID_PROCESS &&
        !is_same_text(a, left->process_off, b, right->process_off))
        return false;
    if (flags & MSP_ID_CGROUP &&
        !is_same_text(a, left->cgroup_off, b, right->cgroup_off))
        return false;
    if (flags & MSP_ID_UNIT &&
        !is_same_text(a, left->unit_off, b, right->unit_off))
        return false;
    return is_same_demands(a, left, b, right);
}

bool msp_selectors_equal(const struct msp_image *a, const struct msp_image *b)
{
    for (uint32_t i = 0; i < MSP_IDENTITIES_MAX; i++) {
        uint32_t flags = flags_of(a, i);

        if (flags != flags_of(b, i) || (flags && !is_same(a, b, i)))
            return false;
    }
    return true;
}

bool msp_selectors_any(const struct msp_image *image)
{
    for (uint32_t i = 0; i < image->n[MSP_SEC_IDENTITIES]; i++)
        if (flags_of(image, i))
            return true;
    return false;
}
