/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/watch.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/inotify.h>

#include <msp/cleanup.h>

enum {
    SETTLE_MS = 200,
    READ_BYTES = 4096
};

static bool is_ours(const struct msp_watch *watch,
                    const struct inotify_event *event)
{
    /* lost events: look, rather than miss one */
    if (event->mask & IN_Q_OVERFLOW)
        return true;
    if (!watch->names)
        return event->len && event->name[0] != '.';
    for (size_t i = 0; event->len && watch->names[i]; i++)
        if (msp_streq(event->name, watch->names[i]))
            return true;
    return false;
}

static void on_change(void *data, uint32_t events)
{
    struct msp_watch *watch = data;
    _Alignas(struct inotify_event) char bytes[READ_BYTES];
    ssize_t n;

    (void)events;
    while ((n = read(watch->fd, bytes, sizeof(bytes))) > 0) {
        for (ssize_t at = 0; at < n;) {
            const struct inotify_event *event = (const void *)(bytes + at);

            if (is_ours(watch, event))
                (void)msp_timer_set(&watch->settle, SETTLE_MS);
            at += (ssize_t)(sizeof(*event) + event->len);
        }
    }
}

static void on_settled(void *data)
{
    struct msp_watch *watch = data;

    watch->fn(watch->data);
}

int msp_watch_open(struct msp_watch *watch, struct msp_loop *loop,
                   const char *dir, const char *const *names,
                   void (*fn)(void *data), void *data)
{
    msp_autoclose int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

    watch->names = names;
    watch->fn = fn;
    watch->data = data;
    msp_timer_init(loop, &watch->settle, on_settled, watch);
    if (fd < 0 || inotify_add_watch(fd, dir, IN_CLOSE_WRITE | IN_MOVED_TO) < 0)
        return -errno;
    watch->fd = TAKE_FD(fd);
    return msp_loop_add(loop, &watch->source, watch->fd, EPOLLIN, on_change,
                        watch);
}

void msp_watch_done(struct msp_watch *watch)
{
    if (!watch->settle.loop)
        return;
    msp_timer_stop(&watch->settle);
    msp_loop_remove(&watch->source);
    msp_closep(&watch->fd);
    watch->fd = -1;
}
