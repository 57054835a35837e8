/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The registered containers, sorted by the id of their cgroup. */
#pragma once

#include "daemon/containers.h"

/* @return borrowed; NULL there is none */
struct msp_container_entry *msp_ctr_list_find(const struct msp_containers *c,
                                              uint64_t id);
/* An id that is not in it. @return its empty entry; NULL no memory */
struct msp_container_entry *msp_ctr_list_insert(struct msp_containers *c,
                                                uint64_t id);
/* Takes it off and frees it. */
void msp_ctr_list_take_out(struct msp_containers *c,
                           struct msp_container_entry *entry);
/* Frees them all, and the list. */
void msp_ctr_list_done(struct msp_containers *c);
