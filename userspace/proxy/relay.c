/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "conn.h"
#include "text.h"
#include "upstream.h"
#include "worker.h"

#define JOIN_BYTES_MAX 1024
#define PROXIED_LINE   "x-ms-azure-host-authorization: value\r\n"

static int bad_gateway(struct msp_conn *conn, const char *reason)
{
    return msp_reply(conn, &(struct msp_reply){502, reason, false});
}

/*
 * Reads from the host into ex->response. @return bytes; 0 nothing there;
 * -1 end; -2 error
 */
static int fill(struct msp_conn *conn)
{
    struct msp_exchange *ex = conn->ex;
    struct msp_upstream *upstream = conn->upstream;
    size_t room = sizeof(ex->response) - ex->response_len;
    ssize_t n;

    if (!upstream->is_readable)
        return 0;
    n = recv(upstream->source.fd, ex->response + ex->response_len, room, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        upstream->is_readable = false;
        return 0;
    }
    if (n <= 0)
        return n == 0 ? -1 : -2;
    if ((size_t)n < room)
        upstream->is_readable = false;
    ex->response_len += (size_t)n;
    return (int)n;
}

/*
 * The host closed without a byte of response. On a reused connection that is
 * the usual race with its idle time-out: such a request (idempotent by choice
 * of connection, see msp_request_connect) goes out once more on a new one.
 */
static int lost(struct msp_conn *conn)
{
    if (!conn->upstream->is_reused || conn->now.is_retried ||
        conn->now.n_interim || conn->ex->response_len)
        return bad_gateway(conn, "closed-early");
    msp_upstream_close(conn->upstream);
    conn->upstream = NULL;
    conn->now.is_retried = true;
    conn->state = MSP_CONN_CONNECT;
    return 1;
}

static enum msp_framing framing_of(const struct msp_conn *conn,
                                   const struct msp_http_head *response)
{
    if (conn->ex->head.method_bit == MSP_METHOD_HEAD ||
        response->status == 204 || response->status == 304)
        return MSP_FRAMING_NONE;
    if (response->is_chunked)
        return MSP_FRAMING_CHUNKED;
    return response->has_length ? MSP_FRAMING_LENGTH : MSP_FRAMING_EOF;
}

/* Renders the head for the client into ex->out. @return 0; -1 too large */
static int render(struct msp_conn *conn, const struct msp_http_head *response)
{
    struct msp_exchange *ex = conn->ex;
    struct msp_text text = {.ptr = ex->out, .size = sizeof(ex->out)};

    /* three digits, as the scan has seen */
    msp_text_puts(&text, "HTTP/1.1 ");
    msp_text_number(&text, response->status);
    msp_text_put(&text, " ", 1);
    msp_text_put(&text, response->reason_phrase, response->reason_len);
    msp_text_put(&text, "\r\n", 2);
    for (size_t i = 0; i < response->n_headers; i++)
        if (!response->header[i].is_dropped)
            msp_text_header(&text, &response->header[i]);
    if (response->has_length && response->status != 204) {
        msp_text_puts(&text, "Content-Length: ");
        msp_text_number(&text, response->length);
        msp_text_put(&text, "\r\n", 2);
    } else if (response->is_chunked && response->status != 204 &&
               ex->head.is_11) {
        msp_text_puts(&text, "Transfer-Encoding: chunked\r\n");
    }
    msp_text_puts(&text, PROXIED_LINE);
    if (conn->closes)
        msp_text_puts(&text, "Connection: close\r\n");
    else if (!ex->head.is_11)
        msp_text_puts(&text, "Connection: keep-alive\r\n");
    msp_text_put(&text, "\r\n", 2);
    ex->out_len = text.len;
    return text.is_full ? -1 : 0;
}

/* A final response head stands in ex->response. */
static int begin(struct msp_conn *conn, const struct msp_http_head *response)
{
    struct msp_exchange *ex = conn->ex;
    struct msp_progress *now = &conn->now;
    enum msp_framing framing = framing_of(conn, response);

    ex->log.upstream = response->status;
    if (framing == MSP_FRAMING_CHUNKED && !ex->head.is_11)
        return bad_gateway(conn, "chunked-to-http-1.0");
    if (framing == MSP_FRAMING_EOF || !now->is_input_done)
        conn->closes = true;
    (void)msp_conn_must_close(conn);
    if (render(conn, response) < 0)
        return bad_gateway(conn, "response-head-too-large");
    ex->log.status = response->status;
    now->response_framing = (uint8_t)framing;
    now->response_left = response->has_length ? response->length : 0;
    now->is_response_done =
        framing == MSP_FRAMING_NONE ||
        (framing == MSP_FRAMING_LENGTH && now->response_left == 0);
    now->is_upstream_reusable = response->keeps_alive &&
                                framing != MSP_FRAMING_EOF &&
                                !msp_request_is_odd(conn);
    now->n_sent = 0;
    now->response_sent = response->len;
    now->response_end = response->len;
    conn->state = MSP_CONN_RELAY;
    return msp_conn_deadline(conn, MSP_BODY_MS) < 0 ? -1 : 1;
}

/*
 * 1xx: 100 answers our own Expect, and the client had its 100 from us; the
 * others are advice we did not ask for. All are dropped, but not for ever.
 */
static int drop_interim(struct msp_conn *conn, size_t len)
{
    struct msp_exchange *ex = conn->ex;

    if (conn->worker->response.status < 100 ||
        conn->worker->response.status == 101 ||
        ++conn->now.n_interim > MSP_INTERIM_MAX)
        return bad_gateway(conn, "interim-response");
    ex->response_len -= len;
    memmove(ex->response, ex->response + len, ex->response_len);
    conn->now.response_scan = (struct msp_http_scan){0};
    return 1;
}

int msp_relay_wait(struct msp_conn *conn)
{
    struct msp_exchange *ex = conn->ex;
    struct msp_progress *now = &conn->now;
    struct msp_http_head *response = &conn->worker->response;
    enum msp_http_code code;
    size_t len = 0;
    int r;

    if (!now->is_waiting) {
        ex->response_len = 0;
        now->is_waiting = true;
    }
    for (;;) {
        if (ex->response_len) {
            code = msp_http_scan(&now->response_scan, MSP_HTTP_RESPONSE,
                                 ex->response, ex->response_len, &len);
            if (code == MSP_HTTP_OK)
                code = msp_http_parse(MSP_HTTP_RESPONSE, ex->response, len,
                                      now->response_scan.n_lines, response);
            if (code == MSP_HTTP_OK)
                return response->status < 200 ? drop_interim(conn, len)
                                              : begin(conn, response);
            if (code != MSP_HTTP_MORE) {
                msp_conn_detail(conn, msp_http_reason(code));
                return bad_gateway(conn, "bad-response");
            }
        }
        r = fill(conn);
        if (r == 0)
            return 0;
        if (r < 0)
            return lost(conn);
    }
}

/* Framing and data go on as they came; trailers are taken out. */
static int measure_chunks(struct msp_conn *conn)
{
    struct msp_exchange *ex = conn->ex;
    struct msp_progress *now = &conn->now;
    enum msp_chunk_step found;
    size_t skip, len;

    do {
        char *at = ex->response + now->response_end;
        size_t left = ex->response_len - now->response_end;

        found = msp_chunk_next(&now->response_chunk, (const uint8_t *)at, left,
                               &skip, &len);
        if (found == MSP_CHUNK_BAD)
            return -1;
        if (found == MSP_CHUNK_TRAILER) {
            memmove(at + skip, at + skip + len, left - skip - len);
            ex->response_len -= len;
            len = 0;
        }
        now->response_end += skip + len;
        ex->log.bytes_out += len;
    } while (found == MSP_CHUNK_DATA || found == MSP_CHUNK_TRAILER);
    now->is_response_done = found == MSP_CHUNK_END;
    return 0;
}

/* Finds what of the unmeasured bytes belongs to the body. @return 0; -1 */
static int measure(struct msp_conn *conn)
{
    struct msp_exchange *ex = conn->ex;
    struct msp_progress *now = &conn->now;
    size_t n = ex->response_len - now->response_end;

    switch ((enum msp_framing)now->response_framing) {
    case MSP_FRAMING_NONE:
        return 0;
    case MSP_FRAMING_LENGTH:
        if (n > now->response_left)
            n = (size_t)now->response_left;
        now->response_left -= n;
        now->is_response_done = now->response_left == 0;
        break;
    case MSP_FRAMING_CHUNKED:
        return measure_chunks(conn);
    case MSP_FRAMING_EOF:
        break;
    }
    now->response_end += n;
    ex->log.bytes_out += n;
    return 0;
}

/* A short body goes into the head's buffer: to copy it costs less than to send
 * two pieces. */
static void join(struct msp_conn *conn)
{
    struct msp_exchange *ex = conn->ex;
    struct msp_progress *now = &conn->now;
    size_t n = now->response_end - now->response_sent;

    if (now->n_sent || n > JOIN_BYTES_MAX || n > sizeof(ex->out) - ex->out_len)
        return;
    memcpy(ex->out + ex->out_len, ex->response + now->response_sent, n);
    ex->out_len += n;
    now->response_sent = now->response_end;
}

/* Writes head and measured body. @return 1 all out; 0 blocked; -1 */
static int flush(struct msp_conn *conn)
{
    struct msp_exchange *ex = conn->ex;
    struct msp_progress *now = &conn->now;

    while (now->n_sent < ex->out_len ||
           now->response_sent < now->response_end) {
        const struct msp_pieces pieces = {
            ex->out + now->n_sent,
            ex->out_len - now->n_sent,
            ex->response + now->response_sent,
            now->response_end - now->response_sent,
        };
        size_t of_head;
        ssize_t n;

        if (conn->is_write_blocked)
            return 0;
        n = msp_conn_send(conn->client.fd, &pieces,
                          conn->closes && now->is_response_done);
        if (n < 0 && errno == EAGAIN) {
            conn->is_write_blocked = true;
            return 0;
        }
        if (n < 0)
            return -1;
        of_head = (size_t)n < pieces.head_len ? (size_t)n : pieces.head_len;
        now->n_sent += of_head;
        now->response_sent += (size_t)n - of_head;
    }
    return 1;
}

int msp_relay_body(struct msp_conn *conn)
{
    struct msp_exchange *ex = conn->ex;
    struct msp_progress *now = &conn->now;
    int r;

    for (;;) {
        /* bytes after the end of the response are nobody's */
        if (!now->is_response_done && measure(conn) < 0)
            return -1;
        join(conn);
        r = flush(conn);
        if (r <= 0)
            return r;
        if (now->is_response_done) {
            if (now->response_end != ex->response_len)
                now->is_upstream_reusable = false;
            return msp_conn_finish(conn);
        }
        ex->response_len = 0;
        now->response_sent = 0;
        now->response_end = 0;
        r = fill(conn);
        if (r == 0)
            return 0;
        if (r == -1 && now->response_framing == MSP_FRAMING_EOF)
            now->is_response_done = true;
        else if (r < 0)
            return -1; /* cut short: the client must see it cut short */
        else if (msp_conn_deadline(conn, MSP_BODY_MS) < 0)
            return -1;
    }
}
