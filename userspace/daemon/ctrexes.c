/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/ctrexes.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <msp/cleanup.h>
#include <msp/fs.h>

#include "base/io.h"

enum {
    TICK_MS = 20,     /* each opening is a process of mspd-netns */
    IDLE_MS = 250,    /* to the next look at what is due */
    AGAIN_MS = 10000, /* what is there is looked at again */
    RETRY_MS = 1000,  /* what is not */
    HOLD_MS = 50
};

static int compare(uint64_t container, const char *path,
                   const struct msp_ctrexe *item)
{
    if (container != item->container)
        return container < item->container ? -1 : 1;
    return strcmp(path, item->path);
}

static size_t position(const struct msp_ctrexes *exes, uint64_t container,
                       const char *path)
{
    size_t low = 0, high = exes->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compare(container, path, exes->item[middle]) > 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void item_free(struct msp_ctrexe *item)
{
    free(item->path);
    free(item->root);
    free(item);
}

/* --- looking ------------------------------------------------------------ */

static const char *judge(const struct msp_file_fact *fact)
{
    if ((fact->mode & S_IFMT) != S_IFREG)
        return "not a regular file";
    if (fact->nlink == 0)
        return "missing";
    if (!(fact->mode & (S_IXUSR | S_IXGRP | S_IXOTH)))
        return "nobody may execute it";
    if (!msp_fs_is_accepted(fact->magic) &&
        fact->magic != OVERLAYFS_SUPER_MAGIC)
        return "on a file system whose numbers do not name a file for good";
    return NULL;
}

static const char *why_of(int error)
{
    switch (error) {
    case -ENOENT:
    case -ENOTDIR:
        return "missing";
    case -ESRCH:
        return "its root directory is not known: the process has ended";
    case -EINVAL:
        return "not a regular file";
    case -ETIMEDOUT:
        return "its file system kept silent";
    default:
        return "its root directory or the file cannot be opened";
    }
}

static void set_changed(struct msp_ctrexes *exes)
{
    if (!exes->hold.index)
        (void)msp_timer_set(&exes->hold, HOLD_MS);
}

static void lose(struct msp_ctrexes *exes, struct msp_ctrexe *item,
                 const char *why)
{
    if (item->is_there)
        set_changed(exes);
    item->is_there = false;
    item->why = why;
    item->due_ms = msp_io_now_ms() + RETRY_MS;
}

static bool is_same(const struct msp_file_fact *a,
                    const struct msp_file_fact *b)
{
    return msp_exe_compare(&a->exe, &b->exe) == 0 && a->magic == b->magic &&
           a->ctime_sec == b->ctime_sec && a->ctime_nsec == b->ctime_nsec;
}

static void see(struct msp_ctrexes *exes, struct msp_ctrexe *item,
                const struct msp_file_fact *fact)
{
    const char *why = judge(fact);

    if (why) {
        lose(exes, item, why);
        return;
    }
    if (!item->is_there || !is_same(&item->fact, fact))
        set_changed(exes);
    item->is_there = true;
    item->fact = *fact;
    item->why = NULL;
    item->due_ms = msp_io_now_ms() + AGAIN_MS;
}

static void on_opened(void *data, int r, int fd,
                      const struct msp_child_open *reply)
{
    struct msp_ctrexes_asked *asked = data;
    struct msp_ctrexes *exes = asked->exes;
    struct msp_ctrexe *item = TAKE_PTR(asked->item);
    msp_autoclose int owned = fd;
    struct msp_file_fact fact = {.fd = UINT32_MAX};

    (void)reply;
    item->is_asked = false;
    if (!item->is_wanted) {
        item_free(item); /* it is in the list no more */
        return;
    }
    if (r == 0)
        r = exes->ops->fact(exes->data, owned, &fact);
    if (r < 0)
        lose(exes, item, why_of(r));
    else
        see(exes, item, &fact);
}

static struct msp_ctrexes_asked *find_free(struct msp_ctrexes *exes)
{
    for (int i = 0; i < MSP_CTREXES_ASKED; i++)
        if (!exes->asked[i].item)
            return &exes->asked[i];
    return NULL;
}

static void ask(struct msp_ctrexes *exes, struct msp_ctrexe *item,
                struct msp_ctrexes_asked *asked)
{
    int r;

    if (!item->root && !item->pid) {
        lose(exes, item,
             "its root directory was not told: neither root nor "
             "pid is registered");
        return;
    }
    *asked = (struct msp_ctrexes_asked){exes, item};
    r = exes->ops->open(exes->data, item->root, item->pid, item->path,
                        on_opened, asked);
    item->is_asked = r == 0;
    if (r < 0)
        asked->item = NULL;
    if (r < 0 && r != -EBUSY)
        lose(exes, item, why_of(r));
}

/* One that is due at each tick, in turn. */
static void on_tick(void *data)
{
    struct msp_ctrexes *exes = data;
    struct msp_ctrexes_asked *asked = find_free(exes);
    uint64_t now = msp_io_now_ms();
    bool is_due = !asked;

    for (size_t i = 0; i < exes->n && !is_due; i++) {
        struct msp_ctrexe *item = exes->item[exes->next++ % exes->n];

        is_due = !item->is_asked && item->due_ms <= now;
        if (is_due)
            ask(exes, item, asked);
    }
    exes->next = exes->n ? exes->next % exes->n : 0;
    if (exes->n)
        (void)msp_timer_set(&exes->tick, is_due ? TICK_MS : IDLE_MS);
}

static void on_hold(void *data)
{
    struct msp_ctrexes *exes = data;

    exes->ops->changed(exes->data);
}

/* --- what is wanted ----------------------------------------------------- */

static int add(struct msp_ctrexes *exes, size_t at, uint64_t container,
               const char *path)
{
    struct msp_ctrexe *item;

    if (exes->n == exes->cap) {
        size_t cap = exes->cap ? 2 * exes->cap : 16;
        struct msp_ctrexe **more =
            reallocarray(exes->item, cap, sizeof(struct msp_ctrexe *));

        if (!more)
            return -ENOMEM;
        exes->item = more;
        exes->cap = cap;
    }
    item = calloc(1, sizeof(*item));
    if (!item)
        return -ENOMEM;
    item->container = container;
    item->why = "not looked for yet";
    item->path = strdup(path);
    if (!item->path) {
        free(item);
        return -ENOMEM;
    }
    memmove(&exes->item[at + 1], &exes->item[at],
            (exes->n - at) * sizeof(struct msp_ctrexe *));
    exes->item[at] = item;
    exes->n++;
    return 0;
}

static int set_root(struct msp_ctrexe *item,
                    const struct msp_ctr_record *record)
{
    const char *root = record->text[MSP_CTR_ROOT];
    bool is_same_root =
        root ? item->root && msp_streq(item->root, root) : !item->root;
    char *copy = NULL;

    if (is_same_root && item->pid == record->pid)
        return 0;
    if (root) {
        copy = strdup(root);
        if (!copy)
            return -ENOMEM;
    }
    free(item->root);
    item->root = copy;
    item->pid = (uint32_t)record->pid;
    item->due_ms = 0;
    return 0;
}

/* @return 1 changed; 0; -ENOMEM */
static int want(struct msp_ctrexes *exes,
                const struct msp_container_entry *entry, const char *path,
                const struct msp_idset *set)
{
    size_t at = position(exes, entry->id, path);
    struct msp_ctrexe *item;
    bool is_changed;
    int r;

    if (at == exes->n || compare(entry->id, path, exes->item[at]) != 0) {
        r = add(exes, at, entry->id, path);
        if (r < 0)
            return r;
    }
    item = exes->item[at];
    r = set_root(item, &entry->record);
    if (r < 0)
        return r;
    is_changed =
        item->is_there && memcmp(&item->set, set, sizeof(item->set)) != 0;
    item->set = *set;
    item->is_wanted = true;
    return is_changed;
}

/* Each path that some identity of the container has. */
static int want_all(struct msp_ctrexes *exes, const struct msp_ctr_match *match,
                    const struct msp_container_entry *entry)
{
    const struct msp_image *image = &match->image;
    struct msp_idset set;
    int changed = 0;

    if (!msp_ctr_match_find(match, entry->record.fact, entry->record.n_facts,
                            &set))
        return 0;
    for (uint32_t i = 0; i < image->n[MSP_SEC_IDENTITIES]; i++) {
        const struct msp_image_identity *id = &image->identities[i];
        int r;

        if (!(id->flags & MSP_ID_EXE) || !id->n_demands ||
            !(set.word[i / 64] >> i % 64 & 1))
            continue;
        r = want(exes, entry,
                 msp_image_string(image, image->exes[id->exe].path_off), &set);
        if (r < 0)
            return r;
        changed |= r;
    }
    return changed;
}

static bool drop_unwanted(struct msp_ctrexes *exes)
{
    bool is_changed = false;
    size_t n = 0;

    for (size_t i = 0; i < exes->n; i++) {
        struct msp_ctrexe *item = exes->item[i];

        if (item->is_wanted) {
            exes->item[n++] = item;
            continue;
        }
        is_changed |= item->is_there;
        if (!item->is_asked)
            item_free(item); /* else its answer does */
    }
    exes->n = n;
    return is_changed;
}

int msp_ctrexes_plan(struct msp_ctrexes *exes,
                     const struct msp_ctr_match *match,
                     const struct msp_containers *containers)
{
    int changed = 0, r = 0;

    for (size_t i = 0; i < exes->n; i++)
        exes->item[i]->is_wanted = false;
    for (size_t i = 0; i < containers->n && match->n && r >= 0; i++) {
        r = want_all(exes, match, containers->entry[i]);
        if (r > 0)
            changed = 1;
    }
    /* fail closed: nor is there what no memory was left to look at */
    changed |= drop_unwanted(exes);
    if (exes->n)
        (void)msp_timer_set(&exes->tick, 0);
    return r < 0 ? r : changed;
}

void msp_ctrexes_init(struct msp_ctrexes *exes, struct msp_loop *loop,
                      const struct msp_ctrexes_ops *ops, void *data)
{
    *exes = (struct msp_ctrexes){.ops = ops, .data = data};
    msp_timer_init(loop, &exes->tick, on_tick, exes);
    msp_timer_init(loop, &exes->hold, on_hold, exes);
}

/* What is asked for is never answered then. */
void msp_ctrexes_done(struct msp_ctrexes *exes)
{
    if (!exes->tick.loop)
        return;
    msp_timer_stop(&exes->tick);
    msp_timer_stop(&exes->hold);
    for (int i = 0; i < MSP_CTREXES_ASKED; i++)
        if (exes->asked[i].item && !exes->asked[i].item->is_wanted)
            item_free(exes->asked[i].item);
    for (size_t i = 0; i < exes->n; i++)
        item_free(exes->item[i]);
    free(exes->item);
    *exes = (struct msp_ctrexes){.ops = NULL};
}

bool msp_ctrexes_are_looked_at(const struct msp_ctrexes *exes)
{
    for (size_t i = 0; i < exes->n; i++)
        if (!exes->item[i]->due_ms)
            return false;
    return true;
}

/* --- what is known ------------------------------------------------------ */

static bool find_path(const struct msp_image *image, const char *path,
                      uint32_t *ret)
{
    uint32_t low = 0, high = image->n[MSP_SEC_EXES];

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int r =
            strcmp(path, msp_image_string(image, image->exes[middle].path_off));

        if (r == 0) {
            *ret = middle;
            return true;
        }
        if (r < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

int msp_ctrexes_found(const struct msp_ctrexes *exes,
                      const struct msp_image *image,
                      struct msp_exe_found **found, size_t *n)
{
    struct msp_exe_found *more =
        reallocarray(*found, *n + exes->n + 1, sizeof(*more));

    if (!more)
        return -ENOMEM;
    *found = more;
    for (size_t i = 0; i < exes->n; i++) {
        const struct msp_ctrexe *item = exes->item[i];
        uint32_t path = 0;

        if (!item->is_there || !find_path(image, item->path, &path))
            continue;
        more[(*n)++] = (struct msp_exe_found){
            .path = path,
            .exe = item->fact.exe,
            .ctime_sec = item->fact.ctime_sec,
            .ctime_nsec = item->fact.ctime_nsec,
            .inside = &item->set,
            .container = item->container,
            .is_overlay = item->fact.magic == OVERLAYFS_SUPER_MAGIC,
        };
    }
    return 0;
}

size_t msp_ctrexes_lacking(const struct msp_ctrexes *exes, uint32_t identity,
                           const char *path, const char **ret_why)
{
    size_t n = 0;

    for (size_t i = 0; i < exes->n; i++) {
        const struct msp_ctrexe *item = exes->item[i];

        if (item->is_there || !msp_streq(item->path, path) ||
            !(item->set.word[identity / 64] >> identity % 64 & 1))
            continue;
        *ret_why = item->why;
        n++;
    }
    return n;
}
