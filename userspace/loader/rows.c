/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "loader/rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What one identity demands, names already turned into ids. */
struct demand {
    bool is_dead; /* matches nobody */
    bool has[MSP_DIM_IDS];
    uint32_t id[MSP_DIM_IDS];
};

static void set_bit(struct msp_idset *set, uint32_t bit)
{
    set->word[bit / 64] |= 1ull << bit % 64;
}

static void demand_id(struct demand *demand, enum msp_dim dim, uint32_t id)
{
    demand->has[dim] = true;
    demand->id[dim] = id;
}

bool msp_rows_is_dead(const struct msp_image_identity *identity,
                      const struct msp_resolved *resolved)
{
    uint32_t flags = identity->flags;

    if (flags & MSP_ID_NOBODY)
        return true;
    if (!resolved)
        return false;
    /* fail closed: an unknown or contradicting name matches nobody */
    if (flags & MSP_ID_USER &&
        (!resolved->is_user_found ||
         (flags & MSP_ID_UID && resolved->user_id != identity->uid)))
        return true;
    return flags & MSP_ID_GROUP && !resolved->is_group_found;
}

static struct demand demand_of(const struct msp_image_identity *identity,
                               const struct msp_resolved *resolved)
{
    struct demand demand = {.is_dead = msp_rows_is_dead(identity, resolved)};
    uint32_t flags = identity->flags;

    if (flags & MSP_ID_UID)
        demand_id(&demand, MSP_DIM_UID, identity->uid);
    if (flags & MSP_ID_USER)
        demand_id(&demand, MSP_DIM_UID, resolved->user_id);
    if (flags & MSP_ID_GID)
        demand_id(&demand, MSP_DIM_GID, identity->gid);
    if (flags & MSP_ID_GROUP)
        demand_id(&demand, flags & MSP_ID_GID ? MSP_DIM_GROUP : MSP_DIM_GID,
                  resolved->group_id);
    return demand;
}

/* Their rows are others' to make: of files, or ready in the image. */
static const uint32_t other_dims[MSP_DIM_COUNT] = {
    [MSP_DIM_EXE] = MSP_ID_EXE,
    [MSP_DIM_PROCESS] = MSP_ID_PROCESS,
    [MSP_DIM_CGROUP] = MSP_ID_CGROUP | MSP_ID_UNIT,
    [MSP_DIM_CONTAINER] = MSP_ID_CONTAINER | MSP_ID_POD,
};

static void add_wild(struct msp_rows *rows, uint32_t bit, uint32_t flags)
{
    for (int dim = MSP_DIM_IDS; dim < MSP_DIM_HOST_ONLY; dim++)
        if (!(flags & other_dims[dim]))
            set_bit(&rows->wild[dim], bit);
}

static int compare(const void *a, const void *b)
{
    const struct msp_row *left = a, *right = b;

    if (left->id != right->id)
        return left->id < right->id ? -1 : 1;
    return 0;
}

/* Sorts, joins rows of one id, adds the wildcard bits. */
static void finish(struct msp_row_table *table, const struct msp_idset *wild)
{
    size_t n = 0;

    if (table->n)
        qsort(table->row, table->n, sizeof(*table->row), compare);
    for (size_t i = 0; i < table->n; i++) {
        struct msp_row *row = &table->row[i];

        if (n && table->row[n - 1].id == row->id)
            for (size_t w = 0; w < MSP_IDSET_WORDS; w++)
                table->row[n - 1].set.word[w] |= row->set.word[w];
        else
            table->row[n++] = *row;
    }
    table->n = n;
    for (size_t i = 0; i < n; i++)
        for (size_t w = 0; w < MSP_IDSET_WORDS; w++)
            table->row[i].set.word[w] |= wild->word[w];
}

int msp_rows_build(const struct msp_image *image,
                   const struct msp_resolved *resolved, struct msp_rows *ret)
{
    uint32_t n = image->n[MSP_SEC_IDENTITIES];

    msp_rows_done(ret);
    for (int dim = 0; dim < MSP_DIM_IDS; dim++) {
        ret->dim[dim].row = calloc(n ? n : 1, sizeof(struct msp_row));
        if (!ret->dim[dim].row) {
            msp_rows_done(ret);
            return -ENOMEM;
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        const struct msp_image_identity *identity = &image->identities[i];
        struct demand demand = demand_of(identity, &resolved[i]);

        if (identity->flags & MSP_ID_HOST_ONLY)
            set_bit(&ret->wild[MSP_DIM_HOST_ONLY], i);
        if (!demand.is_dead)
            add_wild(ret, i, identity->flags);
        for (int dim = 0; dim < MSP_DIM_IDS && !demand.is_dead; dim++) {
            struct msp_row_table *table = &ret->dim[dim];

            if (!demand.has[dim]) {
                set_bit(&ret->wild[dim], i);
                continue;
            }
            table->row[table->n].id = demand.id[dim];
            set_bit(&table->row[table->n++].set, i);
        }
    }
    for (int dim = 0; dim < MSP_DIM_IDS; dim++)
        finish(&ret->dim[dim], &ret->wild[dim]);
    return 0;
}

bool msp_rows_equal(const struct msp_rows *a, const struct msp_rows *b)
{
    if (memcmp(a->wild, b->wild, sizeof(a->wild)) != 0)
        return false;
    for (int dim = 0; dim < MSP_DIM_IDS; dim++) {
        const struct msp_row_table *left = &a->dim[dim], *right = &b->dim[dim];

        if (left->n != right->n)
            return false;
        if (left->n &&
            memcmp(left->row, right->row, left->n * sizeof(*left->row)) != 0)
            return false;
    }
    return true;
}

void msp_rows_done(struct msp_rows *rows)
{
    for (int dim = 0; dim < MSP_DIM_IDS; dim++)
        free(rows->dim[dim].row);
    memset(rows, 0, sizeof(*rows));
}
