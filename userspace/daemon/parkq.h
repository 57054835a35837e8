/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Namespaces that wait for their listener to be made, served in turn by payer:
 * who asks for many waits behind who asks for one. Those who pay by cgroup, of
 * whom one container may be many, have every other turn, whoever waits of the
 * rest. Each call takes the same time, however many wait. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <msp/abi.h>

#define MSP_PARKQ_CHAINS 4096 /* a power of two */

struct msp_parkq_item;
struct msp_parkq_payer;

/* Payers whose turn comes; the first is next. */
struct msp_parkq_turns {
    struct msp_parkq_payer *first;
    struct msp_parkq_payer *last;
};

/* All zero is empty. */
struct msp_parkq {
    uint64_t seed;                   /* of the hashes */
    struct msp_parkq_turns turns[2]; /* by cgroup; all others */
    bool is_others_turn;
    size_t n;
    struct msp_parkq_item *items[MSP_PARKQ_CHAINS]; /* by cookie; owned */
    struct msp_parkq_payer *payers[MSP_PARKQ_CHAINS];
};

/*
 * Takes a copy. A namespace that is there keeps its place, with the newer
 * record.
 * @return 0; 1 it was there; -ENOSPC; -ENOMEM
 */
int msp_parkq_push(struct msp_parkq *queue, const struct msp_park *park);
/* Takes the next one off. @return false: there is none */
bool msp_parkq_pop(struct msp_parkq *queue, struct msp_park *ret);
void msp_parkq_done(struct msp_parkq *queue);
