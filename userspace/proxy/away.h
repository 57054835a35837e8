/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Hosts that answered no SYN, remembered for a moment: who asks for one gets
 * his 503 at once instead of waiting as long as the one before him, and only
 * one connection at a time tries whether it is back. Without I/O; time is the
 * loop's, in milliseconds.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define MSP_AWAY_ROWS \
    16 /* a power of two; hosts that share one forget sooner */

struct msp_away_row {
    uint32_t addr;        /* network byte order */
    uint16_t port;        /* host order; 0 = empty */
    uint64_t until_ms;    /* 0 = it is not away */
    uint64_t answered_ms; /* last; 0 = never */
};

struct msp_away {
    struct msp_away_row row[MSP_AWAY_ROWS]; /* all zero to begin with */
};

/*
 * Whether to refuse at once. The first to ask when the time is over may try:
 * meanwhile the host is away for the others.
 * @param ret_tries that is who asks now: he has to say what came of it
 */
bool msp_away_is(struct msp_away *away, const uint8_t addr[4], uint16_t port,
                 uint64_t now_ms, bool *ret_tries);
/* Who tried has gone before he knew: the next to ask may. */
void msp_away_gave_up(struct msp_away *away, const uint8_t addr[4],
                      uint16_t port, uint64_t now_ms);
/* A connect that began then had no answer in time, and no other has since. */
void msp_away_silent(struct msp_away *away, const uint8_t addr[4],
                     uint16_t port, uint64_t began_ms, uint64_t now_ms);
/* The host answered a SYN, whatever it said. */
void msp_away_answered(struct msp_away *away, const uint8_t addr[4],
                       uint16_t port, uint64_t now_ms);
