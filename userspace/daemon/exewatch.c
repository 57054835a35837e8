/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/exewatch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/inotify.h>

#include <msp/cleanup.h>

enum {
    READ_BYTES = 16384,
    READS_A_ROUND = 16, /* so that a busy directory leaves room for others */
    WANTED = IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE |
             IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF,
    ITSELF = IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED,
};

static struct msp_exewatch_dir *find(struct msp_exewatch *watch, int wd)
{
    for (size_t i = 0; i < watch->n_dirs; i++)
        if (watch->dir[i].wd == wd)
            return &watch->dir[i];
    return NULL;
}

static void on_event(struct msp_exewatch *watch,
                     const struct inotify_event *event)
{
    if (event->mask & IN_Q_OVERFLOW)
        watch->fn(watch->data, -1, NULL);
    else if (!find(watch, event->wd))
        return; /* dropped since */
    else if (event->mask & ITSELF)
        watch->fn(watch->data, event->wd, NULL);
    else if (event->len)
        watch->fn(watch->data, event->wd, event->name);
}

static void on_readable(void *data, uint32_t events)
{
    struct msp_exewatch *watch = data;
    _Alignas(struct inotify_event) char bytes[READ_BYTES];

    (void)events;
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

int msp_exewatch_open(struct msp_exewatch *watch, struct msp_loop *loop,
                      msp_exewatch_fn fn, void *data)
{
    *watch = (struct msp_exewatch){.fn = fn, .data = data};
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
    msp_loop_remove(&watch->source);
    msp_closep(&watch->fd);
    free(watch->dir);
    *watch = (struct msp_exewatch){.fd = -1};
}

int msp_exewatch_add(struct msp_exewatch *watch, int dir_fd)
{
    struct msp_exewatch_dir *dir;
    char path[32];
    int wd;

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", dir_fd);
    wd = inotify_add_watch(watch->fd, path, WANTED | IN_ONLYDIR);
    if (wd < 0)
        return -errno;
    dir = find(watch, wd);
    if (!dir) {
        dir = reallocarray(watch->dir, watch->n_dirs + 1, sizeof(*dir));
        if (!dir) {
            (void)inotify_rm_watch(watch->fd, wd);
            return -ENOMEM;
        }
        watch->dir = dir;
        dir = &watch->dir[watch->n_dirs++];
        *dir = (struct msp_exewatch_dir){.wd = wd};
    }
    dir->n++;
    return wd;
}

void msp_exewatch_share(struct msp_exewatch *watch, int wd)
{
    struct msp_exewatch_dir *dir = find(watch, wd);

    if (dir)
        dir->n++;
}

void msp_exewatch_drop(struct msp_exewatch *watch, int wd)
{
    struct msp_exewatch_dir *dir = find(watch, wd);

    if (!dir || --dir->n)
        return;
    *dir = watch->dir[--watch->n_dirs];
    /* -EINVAL: the kernel dropped it first */
    (void)inotify_rm_watch(watch->fd, wd);
}
