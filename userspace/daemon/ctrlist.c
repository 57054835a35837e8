/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/ctrlist.h"

#include <stdlib.h>
#include <string.h>

static size_t position(const struct msp_containers *c, uint64_t id)
{
    size_t low = 0, high = c->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (c->entry[middle]->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct msp_container_entry *msp_ctr_list_find(const struct msp_containers *c,
                                              uint64_t id)
{
    size_t at = position(c, id);

    return at < c->n && c->entry[at]->id == id ? c->entry[at] : NULL;
}

static void entry_free(struct msp_container_entry *entry)
{
    msp_ctr_record_done(&entry->record);
    free(entry);
}

struct msp_container_entry *msp_ctr_list_insert(struct msp_containers *c,
                                                uint64_t id)
{
    size_t at = position(c, id);
    struct msp_container_entry *entry;

    if (c->n == c->cap) {
        size_t cap = c->cap ? 2 * c->cap : 64;
        struct msp_container_entry **more =
            reallocarray(c->entry, cap, sizeof(struct msp_container_entry *));

        if (!more)
            return NULL;
        c->entry = more;
        c->cap = cap;
    }
    entry = calloc(1, sizeof(*entry));
    if (!entry)
        return NULL;
    entry->id = id;
    memmove(&c->entry[at + 1], &c->entry[at],
            (c->n - at) * sizeof(struct msp_container_entry *));
    c->entry[at] = entry;
    c->n++;
    return entry;
}

void msp_ctr_list_take_out(struct msp_containers *c,
                           struct msp_container_entry *entry)
{
    size_t at = position(c, entry->id);

    c->n--;
    memmove(&c->entry[at], &c->entry[at + 1],
            (c->n - at) * sizeof(struct msp_container_entry *));
    entry_free(entry);
}

void msp_ctr_list_done(struct msp_containers *c)
{
    for (size_t i = 0; i < c->n; i++)
        entry_free(c->entry[i]);
    free(c->entry);
}

/* --- who is who --------------------------------------------------------- */

const struct msp_container_entry *msp_containers_find(struct msp_containers *c,
                                                      uint64_t cgroup_id)
{
    size_t at = cgroup_id % MSP_CONTAINERS_KEPT;
    const struct msp_container_entry *entry = msp_ctr_list_find(c, cgroup_id);

    if (entry || !cgroup_id || !c->n)
        return entry;
    /* ids are never given twice, but a cgroup may be registered later */
    if (c->kept[at].cgroup != cgroup_id ||
        !msp_ctr_list_find(c, c->kept[at].top)) {
        uint64_t top = msp_ctr_top_of(c->loader, cgroup_id);

        if (!top)
            return NULL;
        c->kept[at].cgroup = cgroup_id;
        c->kept[at].top = top;
    }
    return msp_ctr_list_find(c, c->kept[at].top);
}

uint64_t msp_containers_unfilled(const struct msp_containers *c)
{
    uint64_t n = c->n_left;

    for (size_t i = 0; i < c->n; i++)
        n += c->entry[i]->top_error || c->entry[i]->row_error;
    return n;
}
