/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Whether to look again a while before going to sleep. To sleep and be woken by
 * another CPU takes a virtual machine longer than all the rest of a small
 * exchange, so who expects the next event within that time does better to look.
 * Done only where it has been worth it of late: after a wait that was several
 * times longer than one may look, never, so those who answer in milliseconds
 * cost nothing (several, since to be woken is part of a wait that was slept
 * through; else one that was missed would be followed by many); and where
 * looking finds nothing, since who is waited for needs this very CPU, less and
 * less often. No clock and no system call here.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct msp_spin {
    uint64_t max_ns;   /* how long one may look; 0 = never */
    uint32_t rest;     /* waits to sleep through before the next look */
    uint32_t n_failed; /* looks in a row that found nothing */
    bool was_short;    /* the last wait was */
};

/* Asked before each wait. @return whether to look before sleeping */
bool msp_spin_is_due(struct msp_spin *spin);
/* Not told of a look that was none, since something had come before it.
 * @param is_found whether something came within max_ns of looking */
void msp_spin_looked(struct msp_spin *spin, bool is_found);
/* @param ns how long the wait was, looking and sleeping together */
void msp_spin_waited(struct msp_spin *spin, uint64_t ns);
