/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "base/spin.h"

#define FAILED_MAX 10 /* then a look in 1,024 waits */
#define WOKEN      4  /* times max_ns: a short wait, and to be woken up */

bool msp_spin_is_due(struct msp_spin *spin)
{
    if (!spin->was_short)
        return false;
    if (!spin->rest)
        return true;
    spin->rest--;
    return false;
}

void msp_spin_looked(struct msp_spin *spin, bool is_found)
{
    if (is_found) {
        spin->n_failed = 0;
        return;
    }
    if (spin->n_failed < FAILED_MAX)
        spin->n_failed++;
    spin->rest = 1u << spin->n_failed;
}

void msp_spin_waited(struct msp_spin *spin, uint64_t ns)
{
    spin->was_short = ns < WOKEN * spin->max_ns;
}
