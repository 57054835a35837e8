/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The connection log: one JSON line an event, connects that did not reach the
 * proxy (from the ring) and finished requests (from the proxy). Never a key, a
 * signature or a header value. Rate-limited a payer and over all, rotated to ".1". What
 * no path is known of has "-".
 */
#pragma once

#include <msp/child.h>

#include "base/buf.h"
#include "daemon/bucket.h"
#include "daemon/logfile.h"
#include "daemon/paths.h"

struct msp_connlog {
    struct msp_logfile file;
    uint64_t n_lines;    /* written by this mspd */
    uint64_t n_dropped;  /* limited */
    uint64_t n_failed;   /* the disk refused them */
    uint64_t n_requests; /* finished, since mspd started */
    uint64_t serial;     /* of the proxy's last one */
    struct msp_buf buf;
    struct msp_buckets buckets;
    const struct msp_paths *paths; /* borrowed; NULL: no path is known */
};

/* @return 0; negative errno */
int msp_connlog_open(struct msp_connlog *log, int dir_fd);
/* Opens the file anew, after it was moved away. */
int msp_connlog_reopen(struct msp_connlog *log);
void msp_connlog_done(struct msp_connlog *log);

void msp_connlog_connect(struct msp_connlog *log,
                         const struct msp_event *event);
void msp_connlog_request(struct msp_connlog *log,
                         const struct msp_child_log *record);

/* --- the line itself, for tests ----------------------------------------- */

/* @param real_ns CLOCK_REALTIME of the event */
int msp_connlog_connect_line(struct msp_buf *buf, const struct msp_event *event,
                             const struct msp_paths *paths, uint64_t real_ns,
                             struct msp_dropped dropped);
int msp_connlog_request_line(struct msp_buf *buf,
                             const struct msp_child_log *record,
                             const struct msp_paths *paths, uint64_t real_ns,
                             struct msp_dropped dropped);
