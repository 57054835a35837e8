/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/exes.h"

#include <errno.h>

#include <msp/cleanup.h>
#include <msp/limits.h>

#include "base/log.h"
#include "daemon/exelook.h"

/* What msp_exes_path looks in. */
struct path_of {
    struct msp_exe exe;
    const char *path; /* borrowed from the item */
};

/* --- items by path ------------------------------------------------------ */

/* @return the place of the path, or where it would be */
static size_t place_of(const struct msp_exes *exes, const char *path)
{
    size_t low = 0, high = exes->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(exes->item[middle]->file.path, path) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct msp_exes_item *find(const struct msp_exes *exes, const char *path)
{
    size_t at = place_of(exes, path);

    return at < exes->n && msp_streq(exes->item[at]->file.path, path)
               ? exes->item[at]
               : NULL;
}

/* @return the item of the path, new if need be; NULL no memory */
static struct msp_exes_item *get(struct msp_exes *exes, const char *path)
{
    struct msp_exes_item *item = find(exes, path);
    struct msp_exes_item **more;
    size_t at = place_of(exes, path);

    if (item)
        return item;
    more = reallocarray(exes->item, exes->n + 1, sizeof(*more));
    if (!more)
        return NULL;
    exes->item = more;
    item = msp_exes_item_new(exes, path);
    if (!item)
        return NULL;
    memmove(more + at + 1, more + at, (exes->n - at) * sizeof(*more));
    more[at] = item;
    exes->n++;
    return item;
}

/* Keeps what is live; the rest goes. */
static void drop_others(struct msp_exes *exes)
{
    size_t n = 0;

    for (size_t i = 0; i < exes->n; i++) {
        struct msp_exes_item *item = exes->item[i];

        item->file.is_hashed = item->is_hash_live;
        if (item->is_live)
            exes->item[n++] = item;
        else
            msp_exes_item_drop(item);
    }
    exes->n = n;
    exes->is_ref_known = false;
    msp_exes_make_index(exes);
}

/* --- the index for the log ---------------------------------------------- */

static int compare_path_of(const void *a, const void *b)
{
    const struct path_of *left = a, *right = b;

    return msp_exe_compare(&left->exe, &right->exe);
}

static void add_path_of(struct msp_exes *exes, const struct msp_exes_item *item,
                        const struct msp_exe_version *version)
{
    exes->index[exes->n_index++] = (struct path_of){
        version->exe, version->real ? version->real : item->file.path};
}

void msp_exes_make_index(struct msp_exes *exes)
{
    size_t n = exes->n + msp_exes_retired(exes);

    free(exes->index);
    exes->n_index = 0;
    exes->index = calloc(n + 1, sizeof(*exes->index));
    exes->is_indexed = exes->index != NULL;
    if (!exes->index)
        return; /* the log shows no paths meanwhile */
    for (size_t i = 0; i < exes->n; i++) {
        const struct msp_exes_item *item = exes->item[i];

        if (item->file.has_current)
            add_path_of(exes, item, &item->file.current);
        for (size_t k = 0; k < item->file.n_retired; k++)
            add_path_of(exes, item, &item->file.retired[k]);
    }
    if (exes->n_index)
        qsort(exes->index, exes->n_index, sizeof(*exes->index),
              compare_path_of);
}

static const struct path_of *index_of(const struct msp_exes *exes,
                                      const struct msp_exe *exe)
{
    const struct path_of like = {.exe = *exe};

    if (!exes->n_index)
        return NULL;
    return bsearch(&like, exes->index, exes->n_index, sizeof(like),
                   compare_path_of);
}

const char *msp_exes_path(const struct msp_exes *exes,
                          const struct msp_exe *exe)
{
    const struct path_of *found = index_of(exes, exe);

    return found ? found->path : NULL;
}

/* --- retired files nobody runs ------------------------------------------ */

/* Which of the files in the index some process runs. */
struct running {
    const struct msp_exes *exes;
    bool *is_running; /* [n_index] */
};

static void note_running(void *data, const struct msp_exe *exe)
{
    const struct running *running = data;
    const struct path_of *found = index_of(running->exes, exe);

    if (found)
        running->is_running[found - running->exes->index] = true;
}

static bool is_running(const void *data, const struct msp_exe *exe)
{
    const struct running *running = data;
    const struct path_of *found = index_of(running->exes, exe);

    return found && running->is_running[found - running->exes->index];
}

static void collect(struct msp_exes *exes)
{
    msp_autofree bool *flags = calloc(exes->n_index + 1, sizeof(*flags));
    struct running running = {exes, flags};
    bool is_changed = false;
    int r;

    if (!flags || !exes->is_indexed)
        return;
    r = exes->ops->running(exes->data, note_running, &running);
    if (r < 0) {
        msp_log_errno(MSP_LOG_ERR, "exe.collect", r);
        return;
    }
    for (size_t i = 0; i < exes->n; i++)
        is_changed |=
            msp_exe_file_collect(&exes->item[i]->file, is_running, &running);
    if (!is_changed)
        return;
    msp_exes_make_index(exes);
    exes->ops->changed(exes->data);
}

static void on_collect(void *data)
{
    struct msp_exes *exes = data;

    if (msp_exes_retired(exes))
        collect(exes);
    (void)msp_timer_set(&exes->collect, MSP_EXE_SWEEP_MS);
}

/* --- prepare, commit ---------------------------------------------------- */

/* Who waited for them waits no longer. */
static void on_wait(void *data)
{
    struct msp_exes *exes = data;

    for (size_t i = 0; i < exes->n; i++) {
        if (exes->item[i]->is_awaited)
            msp_log(MSP_LOG_WARN, "exe.late", "path", exes->item[i]->file.path,
                    NULL);
        exes->item[i]->is_awaited = false;
    }
    msp_exes_pump(exes);
}

int msp_exes_init(struct msp_exes *exes, struct msp_loop *loop,
                  const struct msp_exes_ops *ops, void *data)
{
    *exes = (struct msp_exes){
        .loop = loop, .ops = ops, .data = data, .is_indexed = true};
    msp_timer_init(loop, &exes->arrived, msp_exes_on_arrived, exes);
    msp_timer_init(loop, &exes->tick, msp_exes_on_tick, exes);
    msp_timer_init(loop, &exes->wait, on_wait, exes);
    msp_timer_init(loop, &exes->collect, on_collect, exes);
    msp_timer_init(loop, &exes->hold, msp_exes_on_hold, exes);
    on_collect(exes);
    msp_exemounts_open(&exes->mounts, loop, msp_exes_on_mounts, exes);
    return msp_exewatch_open(&exes->watch, loop, msp_exes_on_event, exes);
}

static void stop(struct msp_timer *timer)
{
    if (timer->loop)
        msp_timer_stop(timer);
}

void msp_exes_done(struct msp_exes *exes)
{
    stop(&exes->arrived);
    stop(&exes->tick);
    stop(&exes->wait);
    stop(&exes->collect);
    stop(&exes->hold);
    for (size_t i = 0; i < exes->n_arrivals; i++)
        (void)close(exes->arrival[i].fd);
    for (size_t i = 0; i < exes->n; i++)
        msp_exes_item_drop(exes->item[i]);
    while (exes->orphans) {
        struct msp_exes_item *item = exes->orphans;

        exes->orphans = item->next;
        item->is_asked = false; /* no answer will come any more */
        msp_exes_item_drop(item);
    }
    msp_exewatch_done(&exes->watch);
    msp_exemounts_done(&exes->mounts);
    free(exes->item);
    free(exes->index);
    free(exes->ref);
    *exes = (struct msp_exes){0};
}

static int add_next(struct msp_exes *exes, const struct msp_image *image,
                    uint32_t i, bool is_awaited)
{
    const struct msp_image_exe *exe = &image->exes[i];
    struct msp_exes_item *item;

    /* others are looked for in containers */
    if (!(exe->flags & MSP_EXE_HOST))
        return 0;
    item = get(exes, msp_image_string(image, exe->path_off));
    if (!item)
        return -ENOMEM;
    item->is_next = true;
    item->is_hash_next = exe->flags & MSP_EXE_HASHED;
    item->file.is_hashed = item->is_hash_live || item->is_hash_next;
    /* what is known and watched need not be asked for again */
    if (item->file.why == MSP_EXE_OK && !item->is_urgent &&
        msp_exes_item_is_watched(item) && !msp_exe_file_needs_hash(&item->file))
        return 0;
    item->is_awaited = is_awaited;
    msp_exes_item_hurry(item);
    return 0;
}

int msp_exes_prepare(struct msp_exes *exes, const struct msp_image *image,
                     void (*fn)(void *data), void *data)
{
    int r = 0;

    for (uint32_t i = 0; i < image->n[MSP_SEC_EXES] && r == 0; i++)
        r = add_next(exes, image, i, fn != NULL);
    if (r == 0 && fn)
        r = msp_timer_set(&exes->wait, MSP_EXES_WAIT_MS);
    if (r < 0) {
        msp_exes_abandon(exes);
        return r;
    }
    exes->prepared = fn;
    exes->prepared_data = data;
    msp_exes_pump(exes);
    return 0;
}

void msp_exes_abandon(struct msp_exes *exes)
{
    for (size_t i = 0; i < exes->n; i++) {
        exes->item[i]->is_next = false;
        exes->item[i]->is_hash_next = false;
        exes->item[i]->is_awaited = false;
    }
    exes->prepared = NULL;
    stop(&exes->wait);
    drop_others(exes);
}

void msp_exes_commit(struct msp_exes *exes)
{
    for (size_t i = 0; i < exes->n; i++) {
        exes->item[i]->is_live = exes->item[i]->is_next;
        exes->item[i]->is_hash_live = exes->item[i]->is_hash_next;
    }
    msp_exes_abandon(exes);
}

/* --- what is known ------------------------------------------------------ */

int msp_exes_recall(struct msp_exes *exes, const struct msp_image *image,
                    const struct msp_exe_found *found, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct msp_exe_version version = {
            .exe = found[i].exe,
            .ctime_sec = found[i].ctime_sec,
            .ctime_nsec = found[i].ctime_nsec,
            .has_sha256 = found[i].has_sha256,
            .retired_ns = found[i].retired_ns,
        };
        struct msp_exes_item *item = find(
            exes, msp_image_string(image, image->exes[found[i].path].path_off));
        int r;

        if (!item)
            continue;
        memcpy(version.sha256, found[i].sha256, sizeof(version.sha256));
        r = msp_exe_file_recall(&item->file, &version);
        if (r < 0)
            return r;
    }
    msp_exes_make_index(exes);
    return 0;
}

static struct msp_exe_found found_of(const struct msp_exe_version *version,
                                     uint32_t path)
{
    struct msp_exe_found found = {
        .path = path,
        .exe = version->exe,
        .ctime_sec = version->ctime_sec,
        .ctime_nsec = version->ctime_nsec,
        .retired_ns = version->retired_ns,
        .has_sha256 = version->has_sha256,
    };

    memcpy(found.sha256, version->sha256, sizeof(found.sha256));
    return found;
}

int msp_exes_found(const struct msp_exes *exes, const struct msp_image *image,
                   struct msp_exe_found **ret_found, size_t *ret_n)
{
    /* paths of an image are unique: no item is counted twice */
    size_t max = exes->n + msp_exes_retired(exes), n = 0;
    struct msp_exe_found *found = calloc(max + 1, sizeof(*found));

    if (!found)
        return -ENOMEM;
    for (uint32_t i = 0; i < image->n[MSP_SEC_EXES]; i++) {
        const struct msp_exes_item *item =
            find(exes, msp_image_string(image, image->exes[i].path_off));

        if (!item || !(image->exes[i].flags & MSP_EXE_HOST))
            continue;
        if (item->file.has_current)
            found[n++] = found_of(&item->file.current, i);
        for (size_t k = 0; k < item->file.n_retired; k++)
            found[n++] = found_of(&item->file.retired[k], i);
    }
    *ret_found = found;
    *ret_n = n;
    return 0;
}

const struct msp_exe_file *msp_exes_file(const struct msp_exes *exes,
                                         const char *path)
{
    const struct msp_exes_item *item = find(exes, path);

    return item ? &item->file : NULL;
}

size_t msp_exes_current(const struct msp_exes *exes)
{
    size_t n = 0;

    for (size_t i = 0; i < exes->n; i++)
        n += exes->item[i]->file.has_current;
    return n;
}

size_t msp_exes_retired(const struct msp_exes *exes)
{
    size_t n = 0;

    for (size_t i = 0; i < exes->n; i++)
        n += exes->item[i]->file.n_retired;
    return n;
}

size_t msp_exes_unwatched(const struct msp_exes *exes)
{
    size_t n = 0;

    for (size_t i = 0; i < exes->n; i++)
        n += !msp_exes_item_is_watched(exes->item[i]);
    return n;
}
