/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The directories of exelook.h: which to watch, and what happens there. */
#include <string.h>

#include <msp/cleanup.h>

#include "daemon/exelook.h"

const char *msp_exes_dir_path(const struct msp_exes_item *item,
                              enum msp_exes_dir which)
{
    if (which == MSP_EXES_GIVEN)
        return item->file.path;
    return item->file.has_current ? item->file.current.real : NULL;
}

size_t msp_exes_dir_len(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;

    if (!slash)
        return 0;
    return slash == path ? 1 : (size_t)(slash - path);
}

static bool is_same_dir(const char *a, const char *b)
{
    size_t len = msp_exes_dir_len(a);

    return len && len == msp_exes_dir_len(b) && strncmp(a, b, len) == 0;
}

bool msp_exes_dir_is_wanted(const struct msp_exes_item *item,
                            enum msp_exes_dir which)
{
    const char *path = msp_exes_dir_path(item, which);

    return path &&
           (which == MSP_EXES_GIVEN || !is_same_dir(path, item->file.path));
}

bool msp_exes_item_is_watched(const struct msp_exes_item *item)
{
    for (int i = 0; i < MSP_EXES_DIRS; i++)
        if (item->watch[i].wd < 0 &&
            msp_exes_dir_is_wanted(item, (enum msp_exes_dir)i))
            return false;
    return true;
}

void msp_exes_unwatch(struct msp_exes_item *item, enum msp_exes_dir which)
{
    struct msp_exes_watching *watch = &item->watch[which];

    if (watch->wd >= 0)
        msp_exewatch_drop(&item->exes->watch, watch->wd);
    *watch =
        (struct msp_exes_watching){.wd = -1, .since_ms = msp_exes_now(item)};
}

void msp_exes_unwatch_all(struct msp_exes_item *item)
{
    for (int i = 0; i < MSP_EXES_DIRS; i++)
        msp_exes_unwatch(item, (enum msp_exes_dir)i);
}

void msp_exes_watched(struct msp_exes_item *item, enum msp_exes_dir which,
                      int wd)
{
    item->watch[which].wd = wd;
    item->watch[which].since_ms = msp_exes_now(item);
    item->is_watch_new = true;
}

bool msp_exes_share_watch(struct msp_exes_item *item, enum msp_exes_dir which)
{
    const struct msp_exes *exes = item->exes;
    const char *path = msp_exes_dir_path(item, which);

    for (size_t i = 0; i < exes->n; i++)
        for (int k = 0; k < MSP_EXES_DIRS; k++) {
            const struct msp_exes_watching *other = &exes->item[i]->watch[k];

            if (other->wd < 0 ||
                other->since_ms < item->watch[which].since_ms ||
                !is_same_dir(path, msp_exes_dir_path(exes->item[i],
                                                     (enum msp_exes_dir)k)))
                continue;
            msp_exewatch_share(&item->exes->watch, other->wd);
            msp_exes_watched(item, which, other->wd);
            return true;
        }
    return false;
}

static bool is_named(const struct msp_exes_item *item, enum msp_exes_dir which,
                     const char *name)
{
    const char *path = msp_exes_dir_path(item, which);
    const char *slash = path ? strrchr(path, '/') : NULL;

    return slash && msp_streq(slash + 1, name);
}

void msp_exes_on_event(void *data, int wd, const char *name)
{
    struct msp_exes *exes = data;

    for (size_t i = 0; i < exes->n; i++) {
        struct msp_exes_item *item = exes->item[i];
        bool is_hit = wd < 0;

        for (int k = 0; k < MSP_EXES_DIRS && wd >= 0; k++) {
            enum msp_exes_dir which = (enum msp_exes_dir)k;

            if (item->watch[k].wd != wd)
                continue;
            if (!name)
                msp_exes_unwatch(item, which);
            is_hit = is_hit || !name || is_named(item, which, name);
        }
        if (is_hit)
            msp_exes_happened(item);
    }
    msp_exes_plan_tick(exes);
}
