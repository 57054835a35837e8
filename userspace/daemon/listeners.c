/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/listeners.h"

#include <errno.h>
#include <sys/socket.h>

#include <msp/child.h>
#include <msp/cleanup.h>
#include <msp/limits.h>

#include "base/buf.h"
#include "loader/events.h"

static struct msp_listener *find(struct msp_listeners *listeners,
                                 uint64_t cookie)
{
    for (size_t i = 0; i < listeners->n; i++)
        if (listeners->item[i].cookie == cookie)
            return &listeners->item[i];
    return NULL;
}

static int grow(struct msp_listeners *listeners)
{
    size_t cap = listeners->cap ? 2 * listeners->cap : 16;
    struct msp_listener *item;

    if (listeners->n < listeners->cap)
        return 0;
    if (listeners->n >= MSP_NETNS_MAX)
        return -ENOSPC;
    item = reallocarray(listeners->item, cap, sizeof(*item));
    if (!item)
        return -ENOMEM;
    listeners->item = item;
    listeners->cap = cap;
    return 0;
}

int msp_listeners_add(struct msp_listeners *listeners, int fd, uint64_t cookie,
                      uint16_t port, const char *path,
                      const struct msp_listener **ret_item)
{
    msp_autoclose int owned = fd;
    msp_autofree char *copy = NULL;
    struct msp_listener *item = find(listeners, cookie);
    int r;

    if (item) {
        *ret_item = item;
        return 1;
    }
    r = grow(listeners);
    if (r < 0)
        return r;
    if (path) {
        copy = strdup(path);
        if (!copy)
            return -ENOMEM;
    }
    item = &listeners->item[listeners->n++];
    *item = (struct msp_listener){.cookie = cookie,
                                  .port = port,
                                  .fd = TAKE_FD(owned),
                                  .path = TAKE_PTR(copy)};
    *ret_item = item;
    return 0;
}

void msp_listeners_forget_sent(struct msp_listeners *listeners)
{
    for (size_t i = 0; i < listeners->n; i++)
        listeners->item[i].is_sent = false;
}

void msp_listeners_send(struct msp_listeners *listeners)
{
    for (size_t i = 0; i < listeners->n; i++) {
        struct msp_listener *item = &listeners->item[i];
        struct msp_child_listener packet = {
            .head.type = MSP_CHILD_LISTENER,
            .netns_cookie = item->cookie,
            .port = item->port,
        };
        int r;

        if (item->is_sent)
            continue;
        r = msp_child_send(listeners->proxy, &packet, sizeof(packet), item->fd);
        if (r == -EAGAIN)
            msp_child_wait_room(listeners->proxy);
        if (r < 0)
            return;
        item->is_sent = true;
    }
}

int msp_listeners_revive(struct msp_listeners *listeners, uint64_t cookie)
{
    const struct sockaddr none = {.sa_family = AF_UNSPEC};
    struct msp_listener *item = find(listeners, cookie);
    socklen_t len = sizeof(int);
    int listens = 0;

    if (!item)
        return -ENOENT;
    if (getsockopt(item->fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0)
        return -errno;
    /* asked twice is mended once; what it would accept is else shut down */
    if (!listens && (connect(item->fd, &none, sizeof(none)) < 0 ||
                     listen(item->fd, MSP_LISTEN_BACKLOG) < 0))
        return -errno;
    item->is_sent = false;
    msp_listeners_send(listeners);
    return 0;
}

int msp_listeners_publish(struct msp_listeners *listeners, bool only_sent)
{
    int result = 0;

    for (size_t i = 0; i < listeners->n; i++) {
        struct msp_listener *item = &listeners->item[i];
        struct msp_netns row = {.agent_epoch = listeners->epoch,
                                .port = item->port};
        int r;

        if (item->has_row || (only_sent && !item->is_sent))
            continue;
        r = msp_netns_row_set(listeners->loader, item->cookie, &row);
        item->row_error = r;
        if (r < 0)
            result = r; /* fail closed: no row, connects are denied */
        else
            item->has_row = true;
    }
    return result;
}

struct unpublish {
    const struct msp_listeners *listeners;
    bool of_others;
};

static void unpublish_one(void *data, uint64_t cookie,
                          const struct msp_netns *row)
{
    const struct unpublish *unpublish = data;
    const struct msp_listeners *listeners = unpublish->listeners;

    if ((row->agent_epoch != listeners->epoch) == unpublish->of_others)
        (void)msp_netns_row_delete(listeners->loader, cookie);
}

void msp_listeners_unpublish(struct msp_listeners *listeners, bool of_others)
{
    struct unpublish unpublish = {listeners, of_others};

    (void)msp_netns_row_each(listeners->loader, unpublish_one, &unpublish);
}

int msp_listeners_paths(const struct msp_listeners *listeners, char **ret_text,
                        size_t *ret_len)
{
    struct msp_buf buf = {.max = SIZE_MAX / 2};
    int r = msp_buf_reserve(&buf, 1);

    for (size_t i = 0; i < listeners->n && r == 0; i++)
        if (listeners->item[i].path)
            r = msp_buf_printf(&buf, "%s\n", listeners->item[i].path);
    if (r < 0) {
        msp_buf_done(&buf);
        return r;
    }
    *ret_text = (char *)buf.data;
    *ret_len = buf.len;
    return 0;
}

void msp_listeners_done(struct msp_listeners *listeners)
{
    for (size_t i = 0; i < listeners->n; i++) {
        (void)close(listeners->item[i].fd);
        free(listeners->item[i].path);
    }
    free(listeners->item);
    listeners->item = NULL;
    listeners->n = 0;
    listeners->cap = 0;
}
