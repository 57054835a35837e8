/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/parkq.h"

#include <errno.h>
#include <stdlib.h>

struct msp_parkq_item {
    struct msp_parkq_item *next;
    struct msp_park park;
};

int msp_parkq_push(struct msp_parkq *queue, const struct msp_park *park)
{
    struct msp_parkq_item *item, **last = &queue->first;

    for (; *last; last = &(*last)->next) {
        if ((*last)->park.netns_cookie != park->netns_cookie)
            continue;
        (*last)->park = *park;
        return 1;
    }
    if (queue->n >= MSP_NETNS_MAX)
        return -ENOSPC;
    item = malloc(sizeof(*item));
    if (!item)
        return -ENOMEM;
    *item = (struct msp_parkq_item){.park = *park};
    *last = item;
    queue->n++;
    return 0;
}

/* The others of a cgroup go behind everybody else's, in their order. */
static void put_back(struct msp_parkq *queue, uint64_t cgroup_id)
{
    struct msp_parkq_item *theirs = NULL, **end = &theirs;
    struct msp_parkq_item **at = &queue->first;

    while (*at) {
        struct msp_parkq_item *item = *at;

        if (item->park.cgroup_id != cgroup_id) {
            at = &item->next;
            continue;
        }
        *at = item->next;
        item->next = NULL;
        *end = item;
        end = &item->next;
    }
    *at = theirs;
}

bool msp_parkq_pop(struct msp_parkq *queue, struct msp_park *ret)
{
    struct msp_parkq_item *item = queue->first;

    if (!item)
        return false;
    *ret = item->park;
    queue->first = item->next;
    queue->n--;
    free(item);
    put_back(queue, ret->cgroup_id);
    return true;
}

void msp_parkq_done(struct msp_parkq *queue)
{
    while (queue->first) {
        struct msp_parkq_item *item = queue->first;

        queue->first = item->next;
        free(item);
    }
    queue->n = 0;
}
