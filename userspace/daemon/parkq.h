/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Namespaces that wait for their listener to be made, served in turn by cgroup:
 * who asks for many waits behind who asks for one. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <msp/abi.h>

struct msp_parkq_item;

struct msp_parkq {
    struct msp_parkq_item *first; /* owned list */
    size_t n;
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
