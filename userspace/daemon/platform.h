/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The status file as the platform's agent writes it and its tools read it:
 * names, order and words are theirs. Pure: it prints what it is given.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <msp/abi.h>

#include "daemon/parts.h"
#include "daemon/platformlog.h"

struct msp_platform {
    uint64_t real_ns; /* now, since 1970 */
    const char *version;
    const char *path;                 /* of the file */
    const struct msp_part_now *parts; /* [MSP_PART_COUNT] */
    const char *state;                /* what the host says of the channel */
    const char *guid;                 /* of the key in use; NULL = none */
    bool has_incarnation;
    uint32_t incarnation;
    const char *rule_id[MSP_EP_BUILTINS]; /* "" = none */
    uint64_t n_requests;                  /* since mspd started */
    struct msp_platformlog *log;          /* of the summaries */
    uint64_t now_ms;                      /* monotonic */
};

/* @return 0; -EIO writing failed */
int msp_platform_print(const struct msp_platform *platform, FILE *out);
