/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/parkq.h"

#include <errno.h>
#include <stdlib.h>

#include <msp/payer.h>

struct msp_parkq_item {
    struct msp_parkq_item *chain; /* of one hash of cookies */
    struct msp_parkq_item *next;  /* of the same payer, later */
    struct msp_parkq_payer *payer;
    struct msp_park park;
};

/* One of whom something waits. */
struct msp_parkq_payer {
    struct msp_parkq_payer *chain; /* of one hash of payers */
    struct msp_parkq_payer *next;  /* whose turn comes later */
    uint64_t payer;
    struct msp_parkq_item *first; /* what waits, in order */
    struct msp_parkq_item *last;
};

static uint32_t hash(const struct msp_parkq *queue, uint64_t number)
{
    return msp_payer_hash(number, queue->seed, MSP_PARKQ_CHAINS);
}

/* Where the item is linked to, or would be. */
static struct msp_parkq_item **find_item(struct msp_parkq *queue,
                                         uint64_t cookie)
{
    struct msp_parkq_item **at = &queue->items[hash(queue, cookie)];

    while (*at && (*at)->park.netns_cookie != cookie)
        at = &(*at)->chain;
    return at;
}

static struct msp_parkq_payer **find_payer(struct msp_parkq *queue,
                                           uint64_t payer)
{
    struct msp_parkq_payer **at = &queue->payers[hash(queue, payer)];

    while (*at && (*at)->payer != payer)
        at = &(*at)->chain;
    return at;
}

static struct msp_parkq_turns *turns_of(struct msp_parkq *queue, uint64_t payer)
{
    return &queue->turns[msp_payer_kind(payer) != MSP_PAYER_CGROUP];
}

/* Behind all others of his kind. */
static void wait_for_turn(struct msp_parkq *queue,
                          struct msp_parkq_payer *payer)
{
    struct msp_parkq_turns *turns = turns_of(queue, payer->payer);

    payer->next = NULL;
    if (turns->first)
        turns->last->next = payer;
    else
        turns->first = payer;
    turns->last = payer;
}

/* @return one of whom nothing waits yet has a turn now; NULL no memory */
static struct msp_parkq_payer *get_payer(struct msp_parkq *queue,
                                         uint64_t number)
{
    struct msp_parkq_payer **at = find_payer(queue, number);

    if (*at)
        return *at;
    *at = calloc(1, sizeof(**at));
    if (!*at)
        return NULL;
    (*at)->payer = number;
    wait_for_turn(queue, *at);
    return *at;
}

int msp_parkq_push(struct msp_parkq *queue, const struct msp_park *park)
{
    struct msp_parkq_item *item, **at = find_item(queue, park->netns_cookie);
    struct msp_parkq_payer *payer;

    if (*at) {
        (*at)->park = *park;
        return 1;
    }
    if (queue->n >= MSP_NETNS_MAX)
        return -ENOSPC;
    item = malloc(sizeof(*item));
    payer = item ? get_payer(queue, park->payer) : NULL;
    if (!payer) {
        free(item);
        return -ENOMEM;
    }
    *item = (struct msp_parkq_item){.payer = payer, .park = *park};
    if (payer->first)
        payer->last->next = item;
    else
        payer->first = item;
    payer->last = item;
    *at = item;
    queue->n++;
    return 0;
}

/* Whose turn it is, taken off; both kinds by turns. @return NULL nobody's */
static struct msp_parkq_payer *take_turn(struct msp_parkq *queue)
{
    struct msp_parkq_turns *turns = &queue->turns[queue->is_others_turn];
    struct msp_parkq_payer *payer;

    queue->is_others_turn = !queue->is_others_turn;
    if (!turns->first)
        turns = &queue->turns[queue->is_others_turn];
    payer = turns->first;
    if (payer)
        turns->first = payer->next;
    return payer;
}

bool msp_parkq_pop(struct msp_parkq *queue, struct msp_park *ret)
{
    struct msp_parkq_payer *payer = take_turn(queue);
    struct msp_parkq_item *item;

    if (!payer)
        return false;
    item = payer->first;
    *ret = item->park;
    payer->first = item->next;
    *find_item(queue, item->park.netns_cookie) = item->chain;
    free(item);
    queue->n--;
    if (payer->first) {
        wait_for_turn(queue, payer);
        return true;
    }
    *find_payer(queue, payer->payer) = payer->chain;
    free(payer);
    return true;
}

void msp_parkq_done(struct msp_parkq *queue)
{
    struct msp_park park;

    while (msp_parkq_pop(queue, &park))
        ;
}
