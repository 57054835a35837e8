/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <msp/cleanup.h>

#include "authorize.h"
#include "base/io.h"
#include "base/names.h"
#include "conn.h"
#include "text.h"
#include "upstream.h"
#include "worker.h"

#define DATE_NAME          "x-ms-azure-host-date"
#define CLAIMS_NAME        "x-ms-azure-host-claims"
#define AUTHORIZATION_NAME "x-ms-azure-host-authorization"

#define IDEMPOTENT                                                           \
    (MSP_METHOD_GET | MSP_METHOD_HEAD | MSP_METHOD_PUT | MSP_METHOD_DELETE | \
     MSP_METHOD_OPTIONS)

#define BODYLESS \
    (MSP_METHOD_GET | MSP_METHOD_HEAD | MSP_METHOD_DELETE | MSP_METHOD_OPTIONS)

/* --- judging ------------------------------------------------------------ */

static void copy_text(char *to, size_t size, const char *from, size_t len)
{
    if (len > size - 1)
        len = size - 1;
    memcpy(to, from, len);
    memset(to + len, 0, size - len);
}

static void begin_log(struct msp_conn *conn)
{
    struct msp_exchange *ex = conn->ex;
    struct msp_child_log *log = &ex->log;
    const struct msp_http_head *head = &ex->head;

    memset(log, 0, sizeof(*log));
    copy_text(log->exe_name, sizeof(log->exe_name), "-", 1);
    log->head.type = MSP_CHILD_LOG;
    log->mark = conn->mark;
    copy_text(log->method, sizeof(log->method), head->method, head->method_len);
    if (head->target)
        copy_text(log->target, sizeof(log->target), head->target,
                  head->target_len);
    log->is_cut = head->target_len >= sizeof(log->target);
    conn->now.is_active = true;
}

/* The two uploads that are never signed (whole target, any case). */
static bool is_upload(const struct msp_conn *conn)
{
    const struct msp_http_head *head = &conn->ex->head;

    if (conn->mark.endpoint == MSP_EP_HOSTGA)
        return head->method_bit == MSP_METHOD_PUT &&
               msp_http_is(head->target, head->target_len, "/vmAgentLog");
    if (conn->mark.endpoint == MSP_EP_WIRESERVER)
        return head->method_bit == MSP_METHOD_POST &&
               msp_http_is(head->target, head->target_len,
                           "/machine/?comp=telemetrydata");
    return false;
}

static void log_verdict(struct msp_conn *conn, const struct msp_request *page)
{
    struct msp_child_log *log = &conn->ex->log;

    log->generation = page->generation;
    log->verdict = page->verdict;
    log->reason = page->reason;
    copy_text(log->endpoint, sizeof(log->endpoint), page->endpoint,
              strnlen(page->endpoint, sizeof(page->endpoint)));
    copy_text(log->identity, sizeof(log->identity), page->identity.text,
              strnlen(page->identity.text, sizeof(page->identity.text)));
    copy_text(log->privilege, sizeof(log->privilege), page->privilege.text,
              strnlen(page->privilege.text, sizeof(page->privilege.text)));
    copy_text(log->exe_name, sizeof(log->exe_name), page->exe_name.text,
              strnlen(page->exe_name.text, sizeof(page->exe_name.text)));
}

/*
 * An mspd takes the row of its epoch modulo their number, so the row is shared
 * with the proxy of the MSP_WORKERS_MAX-th mspd after ours. Half of them are
 * left for the time between this look and the use.
 */
static bool is_page_ours(const struct msp_worker *worker)
{
    uint64_t now =
        __atomic_load_n(&worker->meta->agent_epoch, __ATOMIC_ACQUIRE);

    return now - worker->agent_epoch < MSP_WORKERS_MAX / 2;
}

static int denial_status(enum msp_reason reason)
{
    if (reason == MSP_REASON_SPELLING)
        return 400;
    if (reason == MSP_REASON_RATE_LIMITED)
        return 429;
    return reason == MSP_REASON_RATE_NO_ROOM ? 503 : 403;
}

/* Asks the kernel. @return 0 go on; a status to refuse with */
static int ask(struct msp_conn *conn, struct msp_reply *refusal)
{
    struct msp_worker *worker = conn->worker;
    struct msp_request *page = worker->page;
    const char *detail = "";
    int r;

    if (!is_page_ours(worker)) {
        /* fail closed: another proxy's request may be in it, or get ours */
        *refusal = (struct msp_reply){503, "authorize-failed", true};
        return 503;
    }
    r = msp_authorize_fill(
        page, &conn->mark, &conn->ex->head,
        msp_http_host_fits(&conn->ex->head, conn->addr, conn->mark.port),
        worker->canon, &detail);
    page->is_charged = conn->now.is_charged;
    if (r >= 0)
        r = worker->ops.authorize(worker->ops.data);
    if (r < 0 || !is_page_ours(worker)) {
        /* fail closed: nobody was asked, or not surely this */
        *refusal = (struct msp_reply){503, "authorize-failed", true};
        return 503;
    }
    log_verdict(conn, page);
    msp_conn_detail(conn, detail);
    refusal->reason = msp_name_reason(page->reason);
    refusal->status = 503;
    refusal->closes = true;
    switch (page->verdict) {
    case MSP_VERDICT_ALLOW:
    case MSP_VERDICT_AUDIT:
        conn->now.is_charged = true;
        return 0;
    case MSP_VERDICT_DENY:
        refusal->status = denial_status(page->reason);
        refusal->closes = false;
        conn->now.retry_after_s = page->retry_after_s;
        conn->now.is_limited = page->retry_after_s != 0;
        return refusal->status;
    case MSP_VERDICT_STALE:
        return 503; /* the mark is older than the policy: connect anew */
    case MSP_VERDICT_NONE:
    case MSP_VERDICT_DIRECT:
    case MSP_VERDICT_COUNT:
        break;
    }
    return 503; /* fail closed: no decision was reached */
}

/* Decides whether the request is signed. @return 0; a status */
static int plan_signature(struct msp_conn *conn, struct msp_reply *refusal)
{
    const struct msp_request *page = conn->worker->page;

    conn->now.is_signing = false; /* whatever an earlier verdict wanted */
    if (page->reason == MSP_REASON_BOOTSTRAP) {
        if (conn->mark.flags & MSP_MARK_BOOTSTRAP)
            return 0;
        /* fail closed: relayed unsigned only if connect said so too */
        *refusal = (struct msp_reply){503, "bootstrap", true};
        return 503;
    }
    if (conn->now.is_upload || !(page->endpoint_flags & MSP_EP_SIGN))
        return 0;
    conn->now.is_signing = msp_key_is_set(conn->worker->key);
    if (conn->now.is_signing || page->mode == MSP_MODE_AUDIT ||
        page->mode == MSP_MODE_DISABLED)
        return 0;
    /* fail closed: in enforce nothing goes out unsigned */
    *refusal = (struct msp_reply){503, "no-key", false};
    return 503;
}

static int begin_body(struct msp_conn *conn)
{
    const struct msp_http_head *head = &conn->ex->head;
    uint64_t max =
        conn->now.is_upload ? MSP_STREAM_BODY_BYTES_MAX : MSP_BODY_BYTES_MAX;

    if (head->has_length && head->length > max)
        return msp_reply_http(conn, MSP_HTTP_TOO_LARGE);
    conn->now.body_left = head->has_length ? head->length : 0;
    if (conn->now.is_input_done || conn->now.is_upload) {
        conn->state = MSP_CONN_CONNECT;
        return 1;
    }
    conn->body.max = MSP_BODY_BYTES_MAX;
    conn->state = MSP_CONN_BODY;
    return msp_conn_deadline(conn, MSP_BODY_MS) < 0 ? -1 : 1;
}

/* A client that waits for leave to send its body gets it. */
static int send_continue(struct msp_conn *conn)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    const struct msp_http_head *head = &conn->ex->head;

    if (!head->expects_continue || conn->now.is_input_done ||
        conn->ex->in_len > head->len)
        return 0;
    /* these few bytes fit, or the client reads nothing at all */
    return send(conn->client.fd, go_on, sizeof(go_on) - 1, MSG_NOSIGNAL) ==
                   (ssize_t)sizeof(go_on) - 1
               ? 0
               : -1;
}

int msp_request_begin(struct msp_conn *conn, size_t head_len, size_t n_lines)
{
    struct msp_exchange *ex = conn->ex;
    struct msp_http_head *head = &ex->head;
    struct msp_reply refusal = {0};
    enum msp_http_code code;
    int r;

    ex->start_ns = msp_io_now_ns();
    conn->n_requests++;
    conn->worker->stats.n_requests++;
    code = msp_http_parse(MSP_HTTP_REQUEST, ex->in, head_len, n_lines, head);
    begin_log(conn);
    if (code)
        return msp_reply_http(conn, code);
    conn->now.is_input_done =
        !head->is_chunked && (!head->has_length || head->length == 0);
    if (conn->is_rejected)
        return msp_reply(
            conn, &(struct msp_reply){503, "too-many-connections", true});
    conn->now.is_upload = is_upload(conn);
    if (ask(conn, &refusal) || plan_signature(conn, &refusal))
        return msp_reply(conn, &refusal);
    r = begin_body(conn);
    if (r < 0 || conn->state == MSP_CONN_REPLY)
        return r;
    return send_continue(conn) < 0 ? -1 : r;
}

/* --- body --------------------------------------------------------------- */

/* A body with a length that fits behind its head. */
static int body_in_place(struct msp_conn *conn)
{
    struct msp_exchange *ex = conn->ex;
    size_t whole = ex->head.len + (size_t)ex->head.length;

    while (ex->in_len < whole) {
        int r = msp_conn_fill(conn);

        if (r <= 0)
            return r;
    }
    conn->now.body_in = (size_t)ex->head.length;
    return 1;
}

/* A longer one goes into its own buffer, read there without a detour. */
static int body_aside(struct msp_conn *conn)
{
    struct msp_exchange *ex = conn->ex;
    struct msp_buf *body = &conn->body;
    size_t want = (size_t)ex->head.length;
    ssize_t n;

    if (!body->data) {
        if (msp_buf_reserve(body, want) < 0 ||
            msp_buf_append(body, ex->in + ex->head.len,
                           ex->in_len - ex->head.len) < 0)
            return -1; /* fail closed: no memory */
        ex->in_len = ex->head.len;
    }
    while (body->len < want) {
        if (!conn->is_readable)
            return 0;
        n = recv(conn->client.fd, body->data + body->len, want - body->len, 0);
        if (n < 0 && errno == EAGAIN) {
            conn->is_readable = false;
            return 0;
        }
        if (n <= 0)
            return -1;
        body->len += (size_t)n;
    }
    return 1;
}

/* Decodes what stands behind the head. @return 1 complete; 0 more; -1 bad */
static int dechunk(struct msp_conn *conn, enum msp_http_code *ret_code)
{
    struct msp_exchange *ex = conn->ex;
    size_t at = ex->head.len;
    enum msp_chunk_step found;
    size_t skip, len;

    do {
        found = msp_chunk_next(&conn->now.chunk, (const uint8_t *)ex->in + at,
                               ex->in_len - at, &skip, &len);
        if (found == MSP_CHUNK_BAD) {
            *ret_code = MSP_HTTP_CHUNK;
            return -1;
        }
        if (found == MSP_CHUNK_DATA &&
            msp_buf_append(&conn->body, ex->in + at + skip, len) < 0) {
            *ret_code = MSP_HTTP_TOO_LARGE;
            return -1;
        }
        at += skip + len;
    } while (found == MSP_CHUNK_DATA || found == MSP_CHUNK_TRAILER);
    /* what follows the message moves up behind the head */
    memmove(ex->in + ex->head.len, ex->in + at, ex->in_len - at);
    ex->in_len -= at - ex->head.len;
    return found == MSP_CHUNK_END;
}

static int body_chunked(struct msp_conn *conn)
{
    enum msp_http_code code = MSP_HTTP_OK;

    for (;;) {
        int r = dechunk(conn, &code);

        if (r < 0)
            return msp_reply_http(conn, code);
        if (r > 0)
            return 1;
        r = msp_conn_fill(conn);
        if (r <= 0)
            return r;
    }
}

int msp_request_body(struct msp_conn *conn)
{
    struct msp_exchange *ex = conn->ex;
    int r;

    if (ex->head.is_chunked)
        r = body_chunked(conn);
    else if (ex->head.len + ex->head.length <= sizeof(ex->in))
        r = body_in_place(conn);
    else
        r = body_aside(conn);
    if (r <= 0 || conn->state == MSP_CONN_REPLY)
        return r;
    conn->now.is_input_done = true;
    conn->now.body_bytes = conn->now.body_in + conn->body.len;
    conn->state = MSP_CONN_CONNECT;
    return 1;
}

/* --- what goes out ------------------------------------------------------ */

static void add_header(struct msp_worker *worker, size_t *n, const char *name,
                       const char *value)
{
    worker->send[(*n)++] = (struct msp_http_header){
        .name = name,
        .name_len = (uint16_t)strlen(name),
        .value = value,
        .value_len = (uint16_t)strlen(value),
    };
}

/* Everything but the signature, in order. @return number of headers */
static size_t choose_headers(struct msp_conn *conn, char length[24])
{
    struct msp_worker *worker = conn->worker;
    const struct msp_http_head *head = &conn->ex->head;
    struct msp_text text = {.ptr = length, .size = 24};
    size_t n = 0;

    for (size_t i = 0; i < head->n_headers; i++)
        if (!head->header[i].is_dropped)
            worker->send[n++] = head->header[i];
    if (conn->now.is_upload && head->is_chunked) {
        add_header(worker, &n, "Transfer-Encoding", "chunked");
    } else if (head->has_length || head->is_chunked) {
        msp_text_number(&text,
                        head->is_chunked ? conn->body.len : head->length);
        msp_text_put(&text, "", 1); /* its NUL */
        add_header(worker, &n, "Content-Length", length);
    }
    add_header(worker, &n, CLAIMS_NAME,
               conn->mark.flags & MSP_MARK_ROOT ? "{ \"isRoot\": \"true\"}"
                                                : "{ \"isRoot\": \"false\"}");
    add_header(worker, &n, DATE_NAME, msp_worker_date(worker));
    return n;
}

static const void *body_of(const struct msp_conn *conn, size_t *ret_len)
{
    if (conn->now.is_upload) {
        *ret_len = 0;
        return "";
    }
    if (conn->body.len) {
        *ret_len = conn->body.len;
        return conn->body.data;
    }
    *ret_len = conn->now.body_in;
    return conn->ex->in + conn->ex->head.len;
}

static int sign(struct msp_conn *conn, size_t n,
                char value[MSP_AUTHORIZATION_BYTES])
{
    struct msp_worker *worker = conn->worker;
    const struct msp_http_head *head = &conn->ex->head;
    struct msp_sign_request request = {
        .method = head->method,
        .method_len = head->method_len,
        .target = head->target,
        .target_len = head->target_len,
        .header = worker->send,
        .n_headers = n,
    };

    request.body = body_of(conn, &request.body_len);
    return msp_sign_request(worker->sign, worker->key, &request, value);
}

/* Renders the head for the host into ex->out. @return 0; negative errno */
static int render(struct msp_conn *conn)
{
    struct msp_worker *worker = conn->worker;
    struct msp_exchange *ex = conn->ex;
    struct msp_text text = {.ptr = ex->out, .size = sizeof(ex->out)};
    char authorization[MSP_AUTHORIZATION_BYTES];
    char length[24];
    size_t n = choose_headers(conn, length);
    int r;

    msp_text_put(&text, ex->head.method, ex->head.method_len);
    msp_text_put(&text, " ", 1);
    msp_text_put(&text, ex->head.target, ex->head.target_len);
    msp_text_puts(&text, ex->head.is_11 ? " HTTP/1.1\r\n" : " HTTP/1.0\r\n");
    for (size_t i = 0; i < n; i++)
        msp_text_header(&text, &worker->send[i]);
    if (conn->now.is_signing) {
        r = sign(conn, n, authorization);
        if (r < 0)
            return r;
        msp_text_puts(&text, AUTHORIZATION_NAME ": ");
        msp_text_puts(&text, authorization);
        msp_text_put(&text, "\r\n", 2);
    }
    msp_text_put(&text, "\r\n", 2);
    if (text.is_full)
        return -E2BIG;
    ex->out_len = text.len;
    ex->log.is_signed = conn->now.is_signing;
    return 0;
}

bool msp_request_is_odd(const struct msp_conn *conn)
{
    return conn->now.body_bytes && (conn->ex->head.method_bit & BODYLESS);
}

/* Whether a policy was pushed since the kernel judged this request. */
static bool is_policy_moved(const struct msp_conn *conn)
{
    const struct msp_meta *meta = conn->worker->meta;
    uint32_t live = __atomic_load_n(&meta->live, __ATOMIC_ACQUIRE);

    return live >= MSP_SLOTS ||
           __atomic_load_n(&meta->slot[live].generation, __ATOMIC_ACQUIRE) !=
               conn->ex->log.generation;
}

int msp_request_connect(struct msp_conn *conn)
{
    const uint32_t bit = conn->ex->head.method_bit;
    /* a request that must not be sent twice gets a connection of its own */
    bool may_reuse = (bit & IDEMPOTENT) && !msp_request_is_odd(conn) &&
                     !conn->now.is_upload && !conn->now.is_retried;
    int r = 0;

    if (!conn->upstream) {
        struct msp_reply refusal = {0};

        /* its body was long in coming: nothing is signed by an old verdict */
        if (is_policy_moved(conn) &&
            (ask(conn, &refusal) || plan_signature(conn, &refusal)))
            return msp_reply(conn, &refusal);
        /* a second try too: by the key, the date and the plan of now */
        if (render(conn) < 0) {
            /* fail closed: signing failed, nothing goes out */
            return msp_reply(conn,
                             &(struct msp_reply){503, "signing-failed", false});
        }
        r = msp_upstream_take(conn->worker, conn, may_reuse, &conn->upstream);
        if (r >= 0 && !conn->upstream->is_connected)
            return msp_conn_deadline(conn, MSP_UPSTREAM_CONNECT_MS) < 0 ? -1
                                                                        : 0;
    } else if (!conn->upstream->is_connected) {
        if (conn->upstream->is_write_blocked)
            return 0;
        r = msp_upstream_connected(conn->upstream);
    }
    if (r == -EHOSTDOWN)
        return msp_reply(conn, &(struct msp_reply){503, "host-away", false});
    if (r < 0)
        return msp_reply(conn, &(struct msp_reply){r == -ETIMEDOUT ? 504 : 502,
                                                   "connect-failed", false});
    conn->now.n_sent = 0;
    conn->state = MSP_CONN_SEND;
    return msp_conn_deadline(conn, MSP_FIRST_BYTE_MS) < 0 ? -1 : 1;
}

int msp_request_send(struct msp_conn *conn)
{
    struct msp_exchange *ex = conn->ex;
    struct msp_progress *now = &conn->now;
    struct msp_upstream *upstream = conn->upstream;
    size_t body_len;
    const char *body = body_of(conn, &body_len);

    if (upstream->is_write_blocked)
        return 0;
    while (now->n_sent < ex->out_len + body_len) {
        size_t of_body =
            now->n_sent > ex->out_len ? now->n_sent - ex->out_len : 0;
        size_t of_head = now->n_sent - of_body;
        const struct msp_pieces pieces = {ex->out + of_head,
                                          ex->out_len - of_head, body + of_body,
                                          body_len - of_body};
        ssize_t n = msp_conn_send(upstream->source.fd, &pieces, false);

        if (n < 0 && errno == EAGAIN) {
            upstream->is_write_blocked = true;
            return 0;
        }
        if (n < 0)
            break; /* it may have answered before it closed: read that */
        now->n_sent += (size_t)n;
    }
    if (now->n_sent < ex->out_len + body_len)
        upstream->is_readable = true;
    else if (now->is_upload && !now->is_input_done) {
        conn->state = MSP_CONN_UPLOAD;
        return msp_conn_deadline(conn, MSP_BODY_MS) < 0 ? -1 : 1;
    }
    conn->state = MSP_CONN_WAIT;
    return 1;
}
