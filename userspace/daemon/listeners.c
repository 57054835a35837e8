/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/listeners.h"

#include <errno.h>
#include <sys/socket.h>

#include <msp/child.h>
#include <msp/cleanup.h>
#include <msp/limits.h>
#include <msp/payer.h>

#include "base/buf.h"
#include "base/io.h"
#include "loader/events.h"

static struct msp_listener *find(struct msp_listeners *listeners,
                                 uint64_t cookie)
{
    for (size_t i = 0; i < listeners->n; i++)
        if (listeners->item[i].cookie == cookie)
            return &listeners->item[i];
    return NULL;
}

static uint32_t most(const struct msp_listeners *listeners)
{
    return listeners->max && listeners->max < MSP_NETNS_MAX
               ? (uint32_t)listeners->max
               : MSP_NETNS_MAX;
}

int msp_listeners_has_room(const struct msp_listeners *listeners,
                           uint64_t payer)
{
    uint32_t max = most(listeners), part = max / MSP_NETNS_PARTS, n_his = 0;
    uint32_t share =
        msp_payer_share(payer, (uint32_t)listeners->n, max,
                        part < MSP_NETNS_PART_MIN ? MSP_NETNS_PART_MIN : part);

    if (!share)
        return -ENOSPC;
    for (size_t i = 0; i < listeners->n; i++)
        n_his += listeners->item[i].payer == payer;
    return n_his < share ? 0 : -EDQUOT;
}

static int grow(struct msp_listeners *listeners)
{
    size_t cap = listeners->cap ? 2 * listeners->cap : 16;
    struct msp_listener *item;

    if (listeners->n >= most(listeners))
        return -ENOSPC;
    if (listeners->n < listeners->cap)
        return 0;
    item = reallocarray(listeners->item, cap, sizeof(*item));
    if (!item)
        return -ENOMEM;
    listeners->item = item;
    listeners->cap = cap;
    return 0;
}

/*
 * Has one listen again that does not any more.
 * @return 0 it listens; negative errno: somebody else may, at its port
 */
static int mend(struct msp_listener *item)
{
    const struct sockaddr none = {.sa_family = AF_UNSPEC};
    socklen_t len = sizeof(int);
    int listens = 0;

    if (getsockopt(item->fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0)
        return -errno;
    if (listens)
        return 0;
    /* what it would accept is else shut down */
    if (connect(item->fd, &none, sizeof(none)) < 0 ||
        listen(item->fd, MSP_LISTEN_BACKLOG) < 0)
        return -errno;
    item->is_sent = false;
    return 0;
}

/* One that lost its port for good has another now. */
static void replace(struct msp_listener *item, uint16_t port, int fd)
{
    (void)close(item->fd);
    item->fd = fd;
    item->port = port;
    item->is_sent = false;
    item->has_row = false;
}

int msp_listeners_add(struct msp_listeners *listeners,
                      const struct msp_listener *made,
                      const struct msp_listener **ret_item)
{
    msp_autoclose int owned = made->fd;
    msp_autofree char *copy = NULL;
    struct msp_listener *item = find(listeners, made->cookie);
    int r;

    if (made->path) {
        copy = strdup(made->path);
        if (!copy)
            return -ENOMEM;
    }
    if (item) {
        bool is_named = copy && !item->path && !item->is_own;

        if (is_named)
            item->path = TAKE_PTR(copy);
        *ret_item = item;
        if (mend(item) < 0) {
            replace(item, made->port, TAKE_FD(owned));
            return 0;
        }
        return is_named ? 2 : 1;
    }
    r = grow(listeners);
    if (r < 0)
        return r;
    item = &listeners->item[listeners->n++];
    *item = (struct msp_listener){.cookie = made->cookie,
                                  .payer = made->payer,
                                  .port = made->port,
                                  .fd = TAKE_FD(owned),
                                  .path = TAKE_PTR(copy),
                                  .is_own = made->is_own};
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
    struct msp_listener *item = find(listeners, cookie);
    int r;

    if (!item)
        return -ENOENT;
    r = mend(item); /* asked twice is mended once */
    if (r < 0)
        return r;
    item->is_sent = false;
    msp_listeners_send(listeners);
    return 0;
}

/*
 * Who listens at the port of a row takes it away, so it is asked afterwards too
 * whether somebody did just before.
 */
static int set_row(const struct msp_listeners *listeners,
                   struct msp_listener *item, const struct msp_netns *row)
{
    int r = mend(item);

    if (r == 0)
        r = msp_netns_row_set(listeners->loader, item->cookie, row);
    if (r < 0)
        return r;
    r = mend(item);
    if (r < 0)
        /* fail closed: he would get what comes */
        (void)msp_netns_row_delete(listeners->loader, item->cookie);
    return r;
}

int msp_listeners_publish(struct msp_listeners *listeners, bool only_sent)
{
    int result = 0;

    for (size_t i = 0; i < listeners->n; i++) {
        struct msp_listener *item = &listeners->item[i];
        struct msp_netns row = {.agent_epoch = listeners->epoch,
                                .payer = item->payer,
                                .port = item->port,
                                .state = MSP_NETNS_READY};
        int r;

        if (item->has_row || (only_sent && !item->is_sent))
            continue;
        r = set_row(listeners, item, &row);
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

    /* somebody waits there: his record is in the ring */
    if (row->state != MSP_NETNS_READY)
        return;
    if ((row->agent_epoch != listeners->epoch) == unpublish->of_others)
        (void)msp_netns_row_delete(listeners->loader, cookie);
}

void msp_listeners_unpublish(struct msp_listeners *listeners, bool of_others)
{
    struct unpublish unpublish = {listeners, of_others};

    (void)msp_netns_row_each(listeners->loader, unpublish_one, &unpublish);
}

/* --- letting go --------------------------------------------------------- */

bool msp_listeners_again(struct msp_listeners *listeners, uint64_t cookie)
{
    struct msp_listener *item = find(listeners, cookie);

    /* fail closed: who listens at its port instead would get what comes */
    if (!item || mend(item) < 0)
        return false;
    item->has_row = false;
    return true;
}

/* Who connects now waits for this very listener, until there is a new row. */
static int park(const struct msp_listeners *listeners,
                const struct msp_listener *item)
{
    const struct msp_netns row = {.until_ns = msp_io_now_ns() + MSP_PARK_NS,
                                  .payer = item->payer,
                                  .state = MSP_NETNS_PARKED,
                                  .port = item->port};

    return msp_netns_row_set(listeners->loader, item->cookie, &row);
}

size_t msp_listeners_leave(struct msp_listeners *listeners,
                           const uint64_t *cookie, size_t n)
{
    size_t n_leaving = 0;

    for (size_t i = 0; i < n; i++) {
        struct msp_listener *item = find(listeners, cookie[i]);

        if (!item || item->is_own || item->is_leaving ||
            park(listeners, item) < 0)
            continue; /* the next sweep tries again */
        item->has_row = false;
        item->is_leaving = true;
        n_leaving++;
    }
    return n_leaving;
}

static bool has_cookie(const uint64_t *cookie, size_t n, uint64_t wanted)
{
    for (size_t i = 0; i < n; i++)
        if (cookie[i] == wanted)
            return true;
    return false;
}

/* @return false: the proxy cannot be told now */
static bool close_one(struct msp_listeners *listeners,
                      struct msp_listener *item)
{
    const struct msp_child_listener gone = {
        .head.type = MSP_CHILD_LISTENER_GONE,
        .netns_cookie = item->cookie,
        .port = item->port,
    };

    if (item->is_sent && listeners->proxy->state == MSP_CHILD_RUNNING &&
        msp_child_send(listeners->proxy, &gone, sizeof(gone), -1) < 0)
        return false;
    (void)msp_netns_row_delete(listeners->loader, item->cookie);
    (void)close(item->fd);
    free(item->path);
    *item = listeners->item[--listeners->n];
    return true;
}

size_t msp_listeners_drop(struct msp_listeners *listeners,
                          const uint64_t *cookie, size_t n)
{
    size_t n_closed = 0;

    for (size_t i = 0; i < listeners->n;) {
        struct msp_listener *item = &listeners->item[i];

        if (item->is_leaving && has_cookie(cookie, n, item->cookie) &&
            close_one(listeners, item)) {
            n_closed++; /* another one is at its place */
            continue;
        }
        item->is_leaving = false;
        i++;
    }
    return n_closed;
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
