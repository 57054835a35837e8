/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/names.h"

#include <errno.h>

#include <msp/cleanup.h>

static void finish(struct msp_names *names, int r)
{
    struct msp_resolved *resolved = TAKE_PTR(names->resolved);

    msp_timer_stop(&names->timer);
    names->image = NULL;
    if (r < 0)
        free(TAKE_PTR(resolved));
    names->fn(names->data, r, resolved);
}

static void on_deadline(void *data)
{
    finish(data, -ETIMEDOUT);
}

static void add(struct msp_names *names, uint32_t identity, bool is_group,
                uint32_t off)
{
    struct msp_child_names *query = &names->query;
    struct msp_child_name *name = &query->name[query->n];
    const char *text = msp_image_string(names->image, off);

    /* fail closed: what does not fit a query stays unknown */
    if (strlen(text) >= sizeof(name->name))
        return;
    name->is_group = is_group;
    memcpy(name->name, text, strlen(text) + 1);
    names->identity[query->n++] = identity;
}

/* Fills a query from where the last one ended. @return whether it has names */
static bool next_query(struct msp_names *names)
{
    const struct msp_image *image = names->image;
    uint32_t n = image->n[MSP_SEC_IDENTITIES];

    memset(&names->query, 0, sizeof(names->query));
    names->query.head.type = MSP_CHILD_NAMES;
    names->query.head.id = ++names->id;
    /* one identity has at most two names */
    for (; names->next < n && names->query.n + 2 <= MSP_CHILD_NAMES_MAX;
         names->next++) {
        const struct msp_image_identity *identity =
            &image->identities[names->next];

        if (identity->flags & MSP_ID_USER)
            add(names, names->next, false, identity->user_off);
        if (identity->flags & MSP_ID_GROUP)
            add(names, names->next, true, identity->group_off);
    }
    return names->query.n > 0;
}

static void go_on(struct msp_names *names)
{
    int r;

    while (!next_query(names))
        if (names->next >= names->image->n[MSP_SEC_IDENTITIES]) {
            finish(names, 0);
            return;
        }
    r = msp_child_send(names->keeper, &names->query, sizeof(names->query), -1);
    if (r < 0)
        finish(names, r);
}

void msp_names_init(struct msp_names *names, struct msp_loop *loop,
                    struct msp_child *keeper)
{
    memset(names, 0, sizeof(*names));
    names->keeper = keeper;
    msp_timer_init(loop, &names->timer, on_deadline, names);
}

int msp_names_ask(struct msp_names *names, const struct msp_image *image,
                  msp_names_fn fn, void *data)
{
    uint32_t n = image->n[MSP_SEC_IDENTITIES];
    int r;

    if (names->image)
        return -EBUSY;
    names->resolved = calloc(n ? n : 1, sizeof(*names->resolved));
    if (!names->resolved)
        return -ENOMEM;
    r = msp_timer_set(&names->timer, MSP_NAMES_MS);
    if (r < 0) {
        free(TAKE_PTR(names->resolved));
        return r;
    }
    names->image = image;
    names->next = 0;
    names->fn = fn;
    names->data = data;
    go_on(names);
    return 0;
}

int msp_names_reply(struct msp_names *names,
                    const struct msp_child_names *reply)
{
    if (!names->image || reply->head.id != names->query.head.id)
        return 0; /* came after its deadline */
    if (reply->n != names->query.n)
        return -EPROTO;
    for (uint32_t i = 0; i < reply->n; i++) {
        struct msp_resolved *resolved = &names->resolved[names->identity[i]];

        if (!reply->name[i].is_found)
            continue;
        if (names->query.name[i].is_group) {
            resolved->is_group_found = true;
            resolved->group_id = reply->name[i].id;
        } else {
            resolved->is_user_found = true;
            resolved->user_id = reply->name[i].id;
        }
    }
    go_on(names);
    return 0;
}

void msp_names_keeper_gone(struct msp_names *names)
{
    if (names->image)
        finish(names, -EPIPE);
}

void msp_names_done(struct msp_names *names)
{
    if (names->timer.loop)
        msp_timer_stop(&names->timer);
    free(TAKE_PTR(names->resolved));
    names->image = NULL;
}
