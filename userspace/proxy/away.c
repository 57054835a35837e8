/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "away.h"

#include <string.h>

#include <msp/limits.h>

_Static_assert((MSP_AWAY_ROWS & (MSP_AWAY_ROWS - 1)) == 0, "power of two");

/* The host's row, emptied if it was another's. */
static struct msp_away_row *row_of(struct msp_away *away, const uint8_t addr[4],
                                   uint16_t port)
{
    struct msp_away_row *row;
    uint32_t number;

    memcpy(&number, addr, sizeof(number));
    row =
        &away->row[((number ^ port) * 0x9e3779b1u) >> 16 & (MSP_AWAY_ROWS - 1)];
    if (row->addr != number || row->port != port)
        *row = (struct msp_away_row){.addr = number, .port = port};
    return row;
}

bool msp_away_is(struct msp_away *away, const uint8_t addr[4], uint16_t port,
                 uint64_t now_ms, bool *ret_tries)
{
    struct msp_away_row *row = row_of(away, addr, port);

    *ret_tries = false;
    if (now_ms < row->until_ms)
        return true;
    *ret_tries = row->until_ms != 0;
    if (row->until_ms)
        row->until_ms = now_ms + MSP_UPSTREAM_CONNECT_MS + MSP_HOST_AWAY_MS;
    return false;
}

void msp_away_gave_up(struct msp_away *away, const uint8_t addr[4],
                      uint16_t port, uint64_t now_ms)
{
    struct msp_away_row *row = row_of(away, addr, port);

    if (row->until_ms > now_ms)
        row->until_ms = now_ms;
}

void msp_away_silent(struct msp_away *away, const uint8_t addr[4],
                     uint16_t port, uint64_t began_ms, uint64_t now_ms)
{
    struct msp_away_row *row = row_of(away, addr, port);

    if (row->answered_ms < began_ms || !row->answered_ms)
        row->until_ms = now_ms + MSP_HOST_AWAY_MS;
}

void msp_away_answered(struct msp_away *away, const uint8_t addr[4],
                       uint16_t port, uint64_t now_ms)
{
    struct msp_away_row *row = row_of(away, addr, port);

    row->until_ms = 0;
    row->answered_ms = now_ms;
}
