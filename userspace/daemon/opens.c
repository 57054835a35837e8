/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/opens.h"

#include <errno.h>

#include <msp/cleanup.h>

enum {
    MARGIN_MS = 1000 /* mspd-netns answers late ones itself */
};

static void answer(struct msp_open_slot *slot, int r, int fd,
                   const struct msp_child_open *reply)
{
    msp_timer_stop(&slot->timer);
    slot->id = 0;
    slot->fn(slot->data, r, fd, reply);
}

static void on_deadline(void *data)
{
    answer(data, -ETIMEDOUT, -1, NULL);
}

void msp_opens_init(struct msp_opens *opens, struct msp_loop *loop,
                    struct msp_child *child)
{
    *opens = (struct msp_opens){.child = child};
    for (int i = 0; i < MSP_OPENS_MAX; i++)
        msp_timer_init(loop, &opens->slot[i].timer, on_deadline,
                       &opens->slot[i]);
}

void msp_opens_done(struct msp_opens *opens)
{
    for (int i = 0; i < MSP_OPENS_MAX; i++) {
        if (opens->slot[i].timer.loop)
            msp_timer_stop(&opens->slot[i].timer);
        opens->slot[i].id = 0;
    }
}

static struct msp_open_slot *find(struct msp_opens *opens, uint32_t id)
{
    for (int i = 0; i < MSP_OPENS_MAX; i++)
        if (opens->slot[i].id == id)
            return &opens->slot[i];
    return NULL;
}

/* @param request but for its id */
static int ask(struct msp_opens *opens, struct msp_child_open *request,
               msp_open_fn fn, void *data)
{
    struct msp_open_slot *slot = find(opens, 0);
    bool is_slow = request->flags & MSP_OPEN_HASH;
    int r;

    if (!slot)
        return -EBUSY;
    if (!++opens->next_id)
        opens->next_id = 1;
    request->head.id = opens->next_id;
    r = msp_child_send(opens->child, request, sizeof(*request), -1);
    if (r == 0)
        r = msp_timer_set(&slot->timer,
                          MARGIN_MS + (is_slow ? MSP_HASH_MS : MSP_OPEN_MS));
    if (r < 0)
        return r;
    slot->id = request->head.id;
    slot->fn = fn;
    slot->data = data;
    return 0;
}

int msp_opens_ask(struct msp_opens *opens, uint32_t pid, const char *path,
                  uint32_t flags, msp_open_fn fn, void *data)
{
    struct msp_child_open request = {
        .head.type = MSP_CHILD_OPEN, .pid = pid, .flags = flags};

    if (strlen(path) >= sizeof(request.path))
        return -ENAMETOOLONG;
    memcpy(request.path, path, strlen(path) + 1);
    return ask(opens, &request, fn, data);
}

int msp_opens_ask_below(struct msp_opens *opens, const char *root,
                        const char *path, msp_open_fn fn, void *data)
{
    struct msp_child_open request = {.head.type = MSP_CHILD_OPEN,
                                     .flags = MSP_OPEN_BELOW};
    size_t n_root = strlen(root) + 1, n_path = strlen(path) + 1;

    if (n_root + n_path > sizeof(request.path))
        return -ENAMETOOLONG;
    memcpy(request.path, root, n_root);
    memcpy(request.path + n_root, path, n_path);
    return ask(opens, &request, fn, data);
}

/* Whether each hop names something within the packet. */
static bool has_hops(const struct msp_child_open *reply)
{
    if (!(reply->flags & MSP_OPEN_WALK))
        return true;
    if (reply->n_hops > MSP_EXE_HOPS_MAX)
        return false;
    for (uint32_t i = 0; i < reply->n_hops; i++) {
        uint32_t off = reply->hop[i].off;

        if (off >= sizeof(reply->path) || reply->path[off] != '/' ||
            !memchr(reply->path + off, '\0', sizeof(reply->path) - off))
            return false;
    }
    return true;
}

int msp_opens_reply(struct msp_opens *opens, const struct msp_child_open *reply,
                    size_t len, int fd)
{
    msp_autoclose int owned = fd;
    struct msp_open_slot *slot;

    if (len != sizeof(*reply) || (reply->status == 0) != (owned >= 0) ||
        !has_hops(reply))
        return -EPROTO;
    /* an answer that came after its deadline belongs to nobody */
    slot = reply->head.id ? find(opens, reply->head.id) : NULL;
    if (!slot)
        return 0;
    answer(slot, reply->status < 0 ? reply->status : 0, TAKE_FD(owned), reply);
    return 0;
}
