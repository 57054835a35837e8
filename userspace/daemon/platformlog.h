/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the Azure agent keeps of connections, in its forms: the two summaries
 * of its status file and the lines of ProxyAgent.Connection.log. From the same
 * records as our own log; rate-limited, rotated, and what cannot be written is
 * left out. Nothing is read from the caller.
 */
#pragma once

#include <stdio.h>

#include <msp/child.h>

#include "daemon/bucket.h"
#include "daemon/logfile.h"
#include "daemon/paths.h"
#include "daemon/summary.h"
#include "daemon/users.h"

#define MSP_PLATFORMLOG_NAME "ProxyAgent.Connection.log"

struct msp_platformlog {
    bool is_on;                    /* somebody reads the summaries */
    const char *dir;               /* of the log; NULL = none is written */
    const struct msp_paths *paths; /* borrowed; NULL: no path is known */
    int dir_fd;
    struct msp_logfile file;
    int error; /* 0; negative errno: lines are lost */
    uint64_t retry_ms;
    struct msp_buckets buckets;
    struct msp_users users;
    struct msp_summary passed;
    struct msp_summary failed; /* to authenticate, in that agent's words */
};

#define MSP_PLATFORMLOG_NONE \
    ((struct msp_platformlog){.dir_fd = -1, .file.fd = -1, .users.dir = "/etc"})

/* Opens the log, if there is to be one; a failure is in `error`. */
void msp_platformlog_open(struct msp_platformlog *log);
/* Now and then: opens it if that failed. @param now_ms monotonic */
void msp_platformlog_retry(struct msp_platformlog *log, uint64_t now_ms);
void msp_platformlog_done(struct msp_platformlog *log);

/* @param id of the request: its number */
void msp_platformlog_request(struct msp_platformlog *log,
                             const struct msp_child_log *record, uint64_t id);
void msp_platformlog_connect(struct msp_platformlog *log,
                             const struct msp_event *event);

/*
 * The JSON array of a summary for the status file.
 */
void msp_platformlog_print(struct msp_platformlog *log,
                           const struct msp_summary *summary, uint64_t now_ms,
                           FILE *out);

/* "403 Forbidden"; only the number where it has no usual reason. */
void msp_platformlog_status(uint32_t code, char *ret, size_t size);
