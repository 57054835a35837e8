/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The hops of exelook.h: which names an item depends on, what happens there. */
#include <errno.h>
#include <stdlib.h>

#include <msp/cleanup.h>

#include "daemon/exelook.h"

/* Where a name leads to an item; sorted by directory and name. */
struct msp_exes_ref {
    int wd;
    uint64_t name;
    struct msp_exes_item *item; /* borrowed */
};

/* --- of one item -------------------------------------------------------- */

static void drop_hops(struct msp_exes *exes, const struct msp_exes_hop *hop,
                      size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (hop[i].wd >= 0)
            msp_exewatch_drop(&exes->watch, hop[i].wd);
}

void msp_exes_forget_hops(struct msp_exes_item *item)
{
    drop_hops(item->exes, item->hop, item->n_hops);
    free(item->hop);
    item->hop = NULL;
    item->n_hops = 0;
    item->exes->is_ref_known = false;
}

/* How much it says of a path that it is not watched; 0 it is. */
static int blinder(int a, int b)
{
    /* what hangs is not asked for often, whatever else there is */
    return a == -EOPNOTSUPP || b == 0 ? a : b;
}

static struct msp_exes_hop take_hop(struct msp_exes_item *item,
                                    const struct msp_child_open *reply,
                                    const struct msp_child_hop *from)
{
    const char *path = reply->path + from->off;
    struct msp_exes_hop hop = {
        .wd = from->wd,
        .name = msp_exewatch_hash(strrchr(path, '/') + 1),
        .path = msp_exewatch_hash(path),
    };

    if (hop.wd >= 0) {
        int r = msp_exewatch_hold(&item->exes->watch, hop.wd);

        if (r < 0)
            hop.wd = r;
    }
    item->blind = blinder(item->blind, hop.wd < 0 ? hop.wd : 0);
    return hop;
}

void msp_exes_take_hops(struct msp_exes_item *item,
                        const struct msp_child_open *reply)
{
    const struct msp_exewatch *watch = &item->exes->watch;
    struct msp_exes_hop *hop = calloc(reply->n_hops + 1, sizeof(*hop));

    item->blind = reply->flags & MSP_OPEN_CUT ? -E2BIG : 0;
    for (uint32_t i = 0; i < reply->n_hops && hop; i++) {
        hop[i] = take_hop(item, reply, &reply->hop[i]);
        /* what happened after it was looked up came before this answer */
        if (msp_exewatch_saw(watch, item->walk, hop[i].wd, hop[i].name))
            item->is_dirty = true;
    }
    msp_exes_forget_hops(item); /* those of before */
    if (!hop) {
        item->blind = -ENOMEM;
        return;
    }
    item->hop = hop;
    item->n_hops = reply->n_hops;
}

/* --- events ------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    const struct msp_exes_ref *left = a, *right = b;

    if (left->wd != right->wd)
        return left->wd < right->wd ? -1 : 1;
    if (left->name != right->name)
        return left->name < right->name ? -1 : 1;
    return 0;
}

/* @return false: no memory */
static bool make_refs(struct msp_exes *exes)
{
    size_t n = 0;

    for (size_t i = 0; i < exes->n; i++)
        n += exes->item[i]->n_hops;
    free(exes->ref);
    exes->ref = calloc(n + 1, sizeof(*exes->ref));
    exes->n_refs = 0;
    if (!exes->ref)
        return false;
    for (size_t i = 0; i < exes->n; i++)
        for (size_t k = 0; k < exes->item[i]->n_hops; k++) {
            const struct msp_exes_hop *hop = &exes->item[i]->hop[k];

            if (hop->wd >= 0)
                exes->ref[exes->n_refs++] =
                    (struct msp_exes_ref){hop->wd, hop->name, exes->item[i]};
        }
    if (exes->n_refs)
        qsort(exes->ref, exes->n_refs, sizeof(*exes->ref), compare);
    exes->is_ref_known = true;
    return true;
}

/* The first one that is not before this directory and name. */
static size_t first_ref(const struct msp_exes *exes, int wd, uint64_t name)
{
    const struct msp_exes_ref like = {.wd = wd, .name = name};
    size_t low = 0, high = exes->n_refs;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compare(&exes->ref[middle], &like) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void all_happened(struct msp_exes *exes)
{
    for (size_t i = 0; i < exes->n; i++)
        msp_exes_happened(exes->item[i]);
    msp_exes_plan_tick(exes);
}

void msp_exes_on_event(void *data, int wd, uint64_t name)
{
    struct msp_exes *exes = data;
    bool is_hit = false;

    if (wd < 0 || (!exes->is_ref_known && !make_refs(exes))) {
        /* fail closed: who knows what happened */
        all_happened(exes);
        return;
    }
    for (size_t i = first_ref(exes, wd, name); i < exes->n_refs; i++) {
        const struct msp_exes_ref *ref = &exes->ref[i];

        if (ref->wd != wd || (name != MSP_EXEWATCH_ITSELF && ref->name != name))
            break;
        msp_exes_happened(ref->item);
        is_hit = true;
    }
    if (is_hit)
        msp_exes_plan_tick(exes);
}

/* --- mounts ------------------------------------------------------------- */

static int compare_points(const void *a, const void *b)
{
    const uint64_t *left = a, *right = b;

    return *left < *right ? -1 : *left > *right;
}

static bool is_on(const struct msp_exes_item *item, const uint64_t *point,
                  size_t n)
{
    for (size_t i = 0; i < item->n_hops; i++)
        if (bsearch(&item->hop[i].path, point, n, sizeof(*point),
                    compare_points))
            return true;
    return false;
}

/*
 * Whether another file may be there although the table of mounts is the same:
 * one was unmounted, replaced and mounted again. Directories tell by their own
 * events.
 */
static bool is_mounted(const struct msp_exes_item *item)
{
    return item->n_hops && msp_exemounts_has(&item->exes->mounts,
                                             item->hop[item->n_hops - 1].path);
}

void msp_exes_on_mounts(void *data, const uint64_t *point, size_t n)
{
    struct msp_exes *exes = data;

    if (!point) {
        /* fail closed: who knows what was mounted */
        all_happened(exes);
        return;
    }
    for (size_t i = 0; i < exes->n; i++) {
        struct msp_exes_item *item = exes->item[i];
        bool is_walking = item->is_asked && item->step == MSP_EXES_FILE;

        if (is_walking || (n ? is_on(item, point, n) : is_mounted(item)))
            msp_exes_happened(item);
    }
    msp_exes_plan_tick(exes);
}

/* --- for status --------------------------------------------------------- */

bool msp_exes_item_is_watched(const struct msp_exes_item *item)
{
    return item->n_hops && !item->blind;
}

const char *msp_exes_blind(const struct msp_exes *exes)
{
    if (exes->mounts.error)
        return "the table of mounts cannot be watched";
    for (size_t i = 0; i < exes->n; i++)
        switch (exes->item[i]->blind) {
        case 0:
        case -EOPNOTSUPP: /* its identity is named with the reason */
            break;
        case -EDQUOT:
            return "executables of the policy are in more directories than "
                   "are watched";
        case -ENOSPC:
            return "the limit fs.inotify.max_user_watches is reached";
        case -E2BIG:
            return "the way to an executable of the policy is too long to be "
                   "watched";
        default:
            return "a directory on the way to an executable of the policy "
                   "cannot be watched";
        }
    return "";
}
