/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/exewatch.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/inotify.h>

#include <msp/cleanup.h>

enum {
    READ_BYTES = 65536,
    READS_A_ROUND = 16, /* so that a busy directory leaves room for others */
    PAUSE_MS = 5,       /* a busy directory wakes us no more often */
    ITSELF = IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED,
};

/* FNV-1a; a collision costs a look. */
uint64_t msp_exewatch_hash(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (; *text; text++)
        hash = (hash ^ (uint8_t)*text) * 0x100000001b3u;
    return hash ? hash : 1;
}

/* --- directories -------------------------------------------------------- */

/* @return the place of the directory, or where it would be */
static size_t place_of(const struct msp_exewatch *watch, int wd)
{
    size_t low = 0, high = watch->n_dirs;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (watch->dir[middle].wd < wd)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct msp_exewatch_dir *find(const struct msp_exewatch *watch, int wd)
{
    size_t at = place_of(watch, wd);

    return at < watch->n_dirs && watch->dir[at].wd == wd ? &watch->dir[at]
                                                         : NULL;
}

/* @return the directory, new and idle if need be; NULL no memory */
static struct msp_exewatch_dir *get(struct msp_exewatch *watch, int wd)
{
    size_t at = place_of(watch, wd);
    struct msp_exewatch_dir *dir = find(watch, wd);

    if (dir)
        return dir;
    dir = reallocarray(watch->dir, watch->n_dirs + 1, sizeof(*dir));
    if (!dir)
        return NULL;
    watch->dir = dir;
    memmove(dir + at + 1, dir + at, (watch->n_dirs - at) * sizeof(*dir));
    dir[at] = (struct msp_exewatch_dir){.wd = wd, .idle = watch->walk};
    watch->n_dirs++;
    watch->n_idle++;
    return &dir[at];
}

/* The number of the oldest walk under way, or of the next one. */
static uint32_t oldest(const struct msp_exewatch *watch)
{
    uint32_t found = watch->walk + 1;

    for (int i = 0; i < MSP_OPENS_MAX; i++)
        if (watch->under_way[i] && watch->under_way[i] < found)
            found = watch->under_way[i];
    return found;
}

/* Drops what nobody needs and no walk under way can have found. */
static void drop_idle(struct msp_exewatch *watch)
{
    uint32_t limit = oldest(watch);
    size_t n = 0;

    if (!watch->n_idle)
        return;
    for (size_t i = 0; i < watch->n_dirs; i++) {
        const struct msp_exewatch_dir *dir = &watch->dir[i];

        if (dir->n || dir->idle >= limit) {
            watch->dir[n++] = *dir;
            continue;
        }
        /* -EINVAL: the kernel dropped it first */
        (void)inotify_rm_watch(watch->fd, dir->wd);
        watch->n_idle--;
    }
    watch->n_dirs = n;
}

int msp_exewatch_hold(struct msp_exewatch *watch, int wd)
{
    struct msp_exewatch_dir *dir = get(watch, wd);

    if (!dir)
        return -ENOMEM;
    if (!dir->n && watch->n_dirs - watch->n_idle >= MSP_EXE_WATCHES_MAX)
        return -EDQUOT; /* it stays idle until it is dropped */
    if (!dir->n++)
        watch->n_idle--;
    return 0;
}

void msp_exewatch_drop(struct msp_exewatch *watch, int wd)
{
    struct msp_exewatch_dir *dir = find(watch, wd);

    if (!dir || !dir->n || --dir->n)
        return;
    dir->idle = watch->walk;
    watch->n_idle++;
    drop_idle(watch);
}

/* --- walks -------------------------------------------------------------- */

uint32_t msp_exewatch_begin(struct msp_exewatch *watch)
{
    watch->walk++;
    for (int i = 0; i < MSP_OPENS_MAX; i++)
        if (!watch->under_way[i]) {
            watch->under_way[i] = watch->walk;
            break;
        }
    return watch->walk;
}

void msp_exewatch_end(struct msp_exewatch *watch, uint32_t walk)
{
    for (int i = 0; i < MSP_OPENS_MAX; i++)
        if (watch->under_way[i] == walk)
            watch->under_way[i] = 0;
    drop_idle(watch);
}

static size_t seen_at(int wd, uint64_t name)
{
    uint64_t hash = (name ^ (uint64_t)(uint32_t)wd) * 0x9e3779b97f4a7c15u;

    return hash >> 52;
}

bool msp_exewatch_saw(const struct msp_exewatch *watch, uint32_t walk, int wd,
                      uint64_t name)
{
    return watch->lost >= walk || watch->seen[seen_at(wd, name)] >= walk ||
           watch->seen[seen_at(wd, MSP_EXEWATCH_ITSELF)] >= walk;
}

/* --- events ------------------------------------------------------------- */

static void on_event(struct msp_exewatch *watch,
                     const struct inotify_event *event)
{
    uint64_t name = MSP_EXEWATCH_ITSELF;

    if (event->mask & IN_Q_OVERFLOW) {
        watch->lost = watch->walk;
        watch->fn(watch->data, -1, name);
        return;
    }
    if (!(event->mask & ITSELF)) {
        if (!event->len)
            return; /* the directory's own attributes */
        name = msp_exewatch_hash(event->name);
    }
    watch->seen[seen_at(event->wd, name)] = watch->walk;
    if (find(watch, event->wd))
        watch->fn(watch->data, event->wd, name);
    else if (oldest(watch) > watch->walk && !(event->mask & IN_IGNORED))
        /* of a walk that never answered */
        (void)inotify_rm_watch(watch->fd, event->wd);
}

static void on_pause(void *data)
{
    struct msp_exewatch *watch = data;

    (void)msp_loop_want(&watch->source, EPOLLIN);
}

static void on_readable(void *data, uint32_t events)
{
    static _Alignas(struct inotify_event) char bytes[READ_BYTES];
    struct msp_exewatch *watch = data;

    (void)events;
    if (msp_timer_set(&watch->pause, PAUSE_MS) == 0)
        (void)msp_loop_want(&watch->source, 0);
    for (int i = 0; i < READS_A_ROUND; i++) {
        ssize_t n = read(watch->fd, bytes, sizeof(bytes));

        if (n <= 0)
            return;
        for (ssize_t at = 0; at < n;) {
            const struct inotify_event *event = (const void *)(bytes + at);

            on_event(watch, event);
            at += (ssize_t)(sizeof(*event) + event->len);
        }
    }
}

/* --- open, done --------------------------------------------------------- */

int msp_exewatch_open(struct msp_exewatch *watch, struct msp_loop *loop,
                      msp_exewatch_fn fn, void *data)
{
    *watch = (struct msp_exewatch){.fn = fn, .data = data};
    msp_timer_init(loop, &watch->pause, on_pause, watch);
    watch->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (watch->fd < 0)
        return -errno;
    return msp_loop_add(loop, &watch->source, watch->fd, EPOLLIN, on_readable,
                        watch);
}

void msp_exewatch_done(struct msp_exewatch *watch)
{
    if (!watch->source.loop)
        return;
    msp_timer_stop(&watch->pause);
    msp_loop_remove(&watch->source);
    msp_closep(&watch->fd);
    free(watch->dir);
    *watch = (struct msp_exewatch){.fd = -1};
}
