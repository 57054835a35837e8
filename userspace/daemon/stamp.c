/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/stamp.h"

#include <stdio.h>
#include <time.h>

uint64_t msp_stamp_now_ns(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_REALTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void msp_stamp(uint64_t real_ns, char ret[MSP_STAMP_BYTES])
{
    time_t seconds = (time_t)(real_ns / 1000000000u);
    char text[32] = "";
    struct tm tm;

    if (gmtime_r(&seconds, &tm))
        (void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(ret, MSP_STAMP_BYTES, "%s.%03uZ", text,
                   (unsigned int)(real_ns / 1000000u % 1000u));
}
