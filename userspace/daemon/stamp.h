/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Points in time as lines, rows and files show them. */
#pragma once

#include <stdint.h>

#define MSP_STAMP_BYTES 48 /* with the NUL */
#define MSP_STAMP_CHARS 23 /* without the "Z" */

/* CLOCK_REALTIME. */
uint64_t msp_stamp_now_ns(void);
/* UTC, "2026-07-22T21:27:45.123Z". @param real_ns since 1970 */
void msp_stamp(uint64_t real_ns, char ret[MSP_STAMP_BYTES]);
