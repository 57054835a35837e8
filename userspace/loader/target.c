/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "loader/target.h"

#include <errno.h>

#include <msp/cleanup.h>

static int compare(const void *a, const void *b)
{
    const struct msp_image_prefix *left = a, *right = b;
    int r = memcmp(&left->key, &right->key, sizeof(left->key));

    return r ? r
             : (left->endpoint > right->endpoint) -
                   (left->endpoint < right->endpoint);
}

struct msp_targets msp_targets_take(struct msp_target_name *name,
                                    size_t n_names,
                                    struct msp_image_prefix *prefix,
                                    size_t n_prefixes)
{
    size_t n = 0;

    for (size_t i = 0; i < n_prefixes; i++)
        if (prefix[i].key.port)
            prefix[n++] = prefix[i];
    if (n)
        qsort(prefix, n, sizeof(*prefix), compare);
    return (struct msp_targets){name, n_names, prefix, n};
}

int msp_targets_build(const struct msp_image *image, struct msp_targets *ret)
{
    uint32_t n_names = image->n[MSP_SEC_ENDPOINTS];
    uint32_t n_prefixes = image->n[MSP_SEC_PREFIXES];
    msp_autofree struct msp_target_name *name =
        calloc(n_names + 1, sizeof(*name));
    msp_autofree struct msp_image_prefix *prefix =
        calloc(n_prefixes + 1, sizeof(*prefix));

    if (!name || !prefix)
        return -ENOMEM;
    for (uint32_t i = 0; i < n_names; i++)
        memcpy(name[i].text, image->endpoints[i].ep.name, sizeof(name->text));
    if (n_prefixes)
        memcpy(prefix, image->prefixes, n_prefixes * sizeof(*prefix));
    *ret =
        msp_targets_take(TAKE_PTR(name), n_names, TAKE_PTR(prefix), n_prefixes);
    return 0;
}

bool msp_targets_equal(const struct msp_targets *a, const struct msp_targets *b)
{
    if (a->n_names != b->n_names || a->n_prefixes != b->n_prefixes)
        return false;
    for (size_t i = 0; i < a->n_names; i++)
        if (strncmp(a->name[i].text, b->name[i].text, sizeof(a->name->text)) !=
            0)
            return false;
    for (size_t i = 0; i < a->n_prefixes; i++)
        if (compare(&a->prefix[i], &b->prefix[i]) != 0)
            return false;
    return true;
}

void msp_targets_done(struct msp_targets *targets)
{
    free(targets->name);
    free(targets->prefix);
    *targets = (struct msp_targets){0};
}
