/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/connlog.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <msp/cleanup.h>
#include <msp/limits.h>

#include "base/io.h"
#include "daemon/stamp.h"

enum {
    /* two paths of 4096 bytes, each byte six long if escaped, and the rest */
    LINE_BYTES_MAX = 65536
};

static const char file_name[] = "connection.log";
static const char old_name[] = "connection.log.1";

static int open_file(struct msp_connlog *log)
{
    msp_autoclose int fd = -1;
    struct stat st;

    fd = openat(log->dir_fd, file_name,
                O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    msp_closep(&log->fd);
    log->fd = TAKE_FD(fd);
    log->n_bytes = (uint64_t)st.st_size;
    return 0;
}

int msp_connlog_open(struct msp_connlog *log, int dir_fd)
{
    memset(log, 0, sizeof(*log));
    log->dir_fd = dir_fd;
    log->fd = -1;
    log->buf.max = LINE_BYTES_MAX;
    return open_file(log);
}

int msp_connlog_reopen(struct msp_connlog *log)
{
    return open_file(log);
}

void msp_connlog_done(struct msp_connlog *log)
{
    msp_closep(&log->fd);
    log->fd = -1;
    msp_buf_done(&log->buf);
}

static void rotate(struct msp_connlog *log)
{
    if (log->n_bytes < MSP_LOG_FILE_BYTES)
        return;
    if (renameat(log->dir_fd, file_name, log->dir_fd, old_name) == 0)
        (void)open_file(log);
}

/* Writes the line in buf. */
static void write_line(struct msp_connlog *log, int error)
{
    if (error == 0)
        error = msp_io_write_full(log->fd, log->buf.data, log->buf.len);
    if (error < 0) {
        log->n_failed++;
    } else {
        log->n_lines++;
        log->n_bytes += log->buf.len;
    }
    msp_buf_consume(&log->buf, log->buf.len);
    rotate(log);
}

static bool may_write(struct msp_connlog *log, uint64_t cgroup_id,
                      uint64_t *ret_dropped)
{
    if (msp_bucket_take(&log->buckets, cgroup_id, msp_io_now_ms(), ret_dropped))
        return true;
    log->n_dropped++;
    return false;
}

void msp_connlog_connect(struct msp_connlog *log, const struct msp_event *event)
{
    uint64_t age = msp_io_now_ns() - event->time_ns;
    uint64_t dropped;

    if (may_write(log, event->cgroup_id, &dropped))
        write_line(log,
                   msp_connlog_connect_line(&log->buf, event, log->paths,
                                            msp_stamp_now_ns() - age, dropped));
}

void msp_connlog_request(struct msp_connlog *log,
                         const struct msp_child_log *record)
{
    uint64_t dropped;

    log->n_requests++;
    if (may_write(log, record->mark.cgroup_id, &dropped))
        write_line(log, msp_connlog_request_line(&log->buf, record, log->paths,
                                                 msp_stamp_now_ns(), dropped));
}
