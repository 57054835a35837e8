/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/netns.h"

#include <errno.h>

#include <msp/child.h>
#include <msp/cleanup.h>
#include <msp/limits.h>

#include "base/log.h"

struct msp_netns_request {
    struct msp_netns_request *next;
    struct msp_child_netns packet;
    msp_netns_fn fn;
    void *data;
};

static void ask_first(struct msp_netns_client *client);

/* Takes the first one off, answers it, asks the next. */
static void answer_first(struct msp_netns_client *client, int r, int fd,
                         uint64_t cookie, uint16_t port)
{
    msp_autofree struct msp_netns_request *request = client->first;

    msp_timer_stop(&client->timer);
    client->first = request->next;
    request->fn(request->data, r, fd, cookie, port);
    ask_first(client);
}

static void ask_first(struct msp_netns_client *client)
{
    struct msp_netns_request *request = client->first;
    int r;

    if (!request || client->timer.index)
        return;
    r = msp_child_send(&client->child, &request->packet,
                       sizeof(request->packet), -1);
    if (r == 0)
        r = msp_timer_set(&client->timer, MSP_NETNS_REQ_MS);
    if (r < 0)
        answer_first(client, r, -1, 0, 0);
}

static void on_deadline(void *data)
{
    struct msp_netns_client *client = data;

    answer_first(client, -ETIMEDOUT, -1, 0, 0);
}

static int prepare(void *data, struct msp_child_spawn *ret)
{
    (void)data;
    (void)ret;
    return 0;
}

static int on_packet(void *data, const void *packet, size_t len, int fd)
{
    struct msp_netns_client *client = data;
    const struct msp_child_netns *reply = packet;
    msp_autoclose int owned = fd;

    if (reply->head.type == MSP_CHILD_OPEN)
        return msp_opens_reply(&client->opens, packet, len, TAKE_FD(owned));
    if (len != sizeof(*reply))
        return -EPROTO;
    /* an answer that came after its deadline belongs to nobody */
    if (!client->first || client->first->packet.head.id != reply->head.id)
        return 0;
    if (reply->status == 0 && owned < 0)
        return -EPROTO;
    answer_first(client, reply->status,
                 reply->status == 0 ? TAKE_FD(owned) : -1, reply->netns_cookie,
                 reply->port);
    return 0;
}

static void on_gone(void *data)
{
    struct msp_netns_client *client = data;

    client->gone(client->data);
}

int msp_netns_start(struct msp_netns_client *client, struct msp_loop *loop,
                    const char *dir, void (*gone)(void *data), void *data)
{
    static const struct msp_child_ops ops = {
        .prepare = prepare, .packet = on_packet, .gone = on_gone};

    *client = (struct msp_netns_client){
        .child = {.name = "mspd-netns",
                  .dir = dir,
                  .ops = &ops,
                  .data = client},
        .gone = gone,
        .data = data,
    };
    msp_timer_init(loop, &client->timer, on_deadline, client);
    msp_opens_init(&client->opens, loop, &client->child);
    msp_child_init(&client->child, loop);
    return msp_child_start(&client->child);
}

void msp_netns_done(struct msp_netns_client *client)
{
    if (!client->child.loop)
        return;
    msp_timer_stop(&client->timer);
    msp_opens_done(&client->opens);
    while (client->first) {
        msp_autofree struct msp_netns_request *request = client->first;

        client->first = request->next;
    }
    msp_child_done(&client->child);
}

static int give(struct msp_netns_client *client, enum msp_child_type type,
                int fd)
{
    struct msp_child_head head = {.type = type};

    return msp_child_send(&client->child, &head, sizeof(head), fd);
}

int msp_netns_give_own_sk(struct msp_netns_client *client, int map_fd)
{
    return give(client, MSP_CHILD_OWN_SK, map_fd);
}

int msp_netns_give_watch(struct msp_netns_client *client, int inotify_fd)
{
    return give(client, MSP_CHILD_INOTIFY, inotify_fd);
}

int msp_netns_want(struct msp_netns_client *client,
                   const struct msp_netns_want *want, msp_netns_fn fn,
                   void *data)
{
    struct msp_netns_request *request, **last = &client->first;

    if (want->path && strlen(want->path) >= sizeof(request->packet.path))
        return -ENAMETOOLONG;
    request = calloc(1, sizeof(*request));
    if (!request)
        return -ENOMEM;
    request->fn = fn;
    request->data = data;
    request->packet.head.type =
        want->path ? MSP_CHILD_NETNS_PATH : MSP_CHILD_NETNS_ROOT;
    request->packet.head.id = ++client->next_id;
    request->packet.netns_cookie = want->cookie;
    request->packet.port = want->port;
    if (want->path)
        (void)snprintf(request->packet.path, sizeof(request->packet.path), "%s",
                       want->path);
    while (*last)
        last = &(*last)->next;
    *last = request;
    ask_first(client);
    return 0;
}

int msp_netns_ask(struct msp_netns_client *client, const char *path,
                  uint64_t expected, msp_netns_fn fn, void *data)
{
    const struct msp_netns_want want = {.path = path, .cookie = expected};

    return msp_netns_want(client, &want, fn, data);
}
