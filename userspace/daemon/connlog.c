/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/connlog.h"

#include <msp/cleanup.h>
#include <msp/limits.h>

#include "base/io.h"
#include "daemon/stamp.h"

enum {
    /* two paths of 4096 bytes, each byte six long if escaped, and the rest */
    LINE_BYTES_MAX = 65536
};

int msp_connlog_open(struct msp_connlog *log, int dir_fd)
{
    memset(log, 0, sizeof(*log));
    log->file = (struct msp_logfile){.dir_fd = dir_fd,
                                     .name = "connection.log",
                                     .max_bytes = MSP_LOG_FILE_BYTES,
                                     .n_kept = 1,
                                     .fd = -1};
    log->buf.max = LINE_BYTES_MAX;
    return msp_logfile_open(&log->file);
}

int msp_connlog_reopen(struct msp_connlog *log)
{
    return msp_logfile_open(&log->file);
}

void msp_connlog_done(struct msp_connlog *log)
{
    msp_logfile_done(&log->file);
    msp_buf_done(&log->buf);
}

/* Writes the line in buf. */
static void write_line(struct msp_connlog *log, int error)
{
    if (error == 0)
        error = msp_logfile_add(&log->file, log->buf.data, log->buf.len);
    if (error < 0)
        log->n_failed++;
    else
        log->n_lines++;
    msp_buf_consume(&log->buf, log->buf.len);
}

static bool may_write(struct msp_connlog *log, uint64_t payer,
                      struct msp_dropped *ret_dropped)
{
    if (msp_bucket_take(&log->buckets, payer, msp_io_now_ms(), ret_dropped))
        return true;
    log->n_dropped++;
    return false;
}

void msp_connlog_connect(struct msp_connlog *log, const struct msp_event *event)
{
    uint64_t age = msp_io_now_ns() - event->time_ns;
    struct msp_dropped dropped;

    if (may_write(log, msp_paths_connect_payer(log->paths, event), &dropped))
        write_line(log,
                   msp_connlog_connect_line(&log->buf, event, log->paths,
                                            msp_stamp_now_ns() - age, dropped));
}

void msp_connlog_request(struct msp_connlog *log,
                         const struct msp_child_log *record)
{
    struct msp_dropped dropped;

    /* a proxy that was started anew begins at 1 */
    log->n_requests +=
        record->serial > log->serial ? record->serial - log->serial : 1;
    log->serial = record->serial;
    if (may_write(log, msp_paths_request_payer(&record->mark), &dropped))
        write_line(log, msp_connlog_request_line(&log->buf, record, log->paths,
                                                 msp_stamp_now_ns(), dropped));
}
