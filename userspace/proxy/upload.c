/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The two unsigned uploads: bodies too large to hold, passed through. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "conn.h"
#include "upstream.h"

/* How much of [at, in_len) belongs to the body. @return 1 end; 0; -1 bad */
static int measure(struct msp_conn *conn, size_t at, size_t *ret_len)
{
    struct msp_exchange *ex = conn->ex;
    struct msp_progress *now = &conn->now;
    enum msp_chunk_step found;
    size_t skip, len;
    size_t from = at;

    if (!ex->head.is_chunked) {
        len = ex->in_len - at;
        if (len > now->body_left)
            len = (size_t)now->body_left;
        now->body_left -= len;
        now->body_bytes += len;
        *ret_len = len;
        return now->body_left == 0;
    }
    do {
        found = msp_chunk_next(&now->chunk, (const uint8_t *)ex->in + at,
                               ex->in_len - at, &skip, &len);
        if (found == MSP_CHUNK_BAD)
            return -1;
        if (found == MSP_CHUNK_TRAILER) {
            /* fail closed: the host could take them for headers of ours */
            memmove(ex->in + at + skip, ex->in + at + skip + len,
                    ex->in_len - at - skip - len);
            ex->in_len -= len;
            len = 0;
        }
        now->body_bytes += len;
        at += skip + len;
        if (now->body_bytes > MSP_STREAM_BODY_BYTES_MAX)
            return -1;
    } while (found == MSP_CHUNK_DATA || found == MSP_CHUNK_TRAILER);
    *ret_len = at - from;
    return found == MSP_CHUNK_END;
}

/*
 * Behind the head, `in` holds: bytes to pass on [body_in], then bytes not yet
 * measured. Passes on; @return 1 all sent; 0 blocked; -1 the host is gone
 */
static int pass_on(struct msp_conn *conn)
{
    struct msp_exchange *ex = conn->ex;
    struct msp_upstream *upstream = conn->upstream;
    size_t base = ex->head.len;

    while (conn->now.body_in) {
        ssize_t n;

        if (upstream->is_write_blocked)
            return 0;
        n = send(upstream->source.fd, ex->in + base, conn->now.body_in,
                 MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            upstream->is_write_blocked = true;
            return 0;
        }
        if (n < 0)
            return -1;
        conn->now.body_in -= (size_t)n;
        memmove(ex->in + base, ex->in + base + n,
                ex->in_len - base - (size_t)n);
        ex->in_len -= (size_t)n;
        if (msp_conn_deadline(conn, MSP_BODY_MS) < 0)
            return -1;
    }
    return 1;
}

static int end_upload(struct msp_conn *conn)
{
    conn->state = MSP_CONN_WAIT;
    return msp_conn_deadline(conn, MSP_FIRST_BYTE_MS) < 0 ? -1 : 1;
}

int msp_upload(struct msp_conn *conn)
{
    struct msp_exchange *ex = conn->ex;
    struct msp_progress *now = &conn->now;
    int r;

    for (;;) {
        r = pass_on(conn);
        if (r < 0 || conn->upstream->is_readable) {
            /* it answers early: the rest of the upload is of no use */
            conn->upstream->is_readable = true;
            conn->closes = true;
            return end_upload(conn);
        }
        if (r == 0)
            return 0;
        if (now->is_input_done)
            return end_upload(conn);
        if (ex->in_len == ex->head.len) {
            r = msp_conn_fill(conn);
            if (r <= 0)
                return r;
        }
        r = measure(conn, ex->head.len, &now->body_in);
        if (r < 0) {
            now->body_in = 0;
            return msp_reply_http(conn,
                                  now->body_bytes > MSP_STREAM_BODY_BYTES_MAX
                                      ? MSP_HTTP_TOO_LARGE
                                      : MSP_HTTP_CHUNK);
        }
        now->is_input_done = r > 0;
    }
}
