/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <msp/cleanup.h>

#include "conn.h"
#include "upstream.h"
#include "worker.h"

#define ALLOW_LINE   "Allow: GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH\r\n"
#define STRINGIFY(x) #x
#define TEXT_OF(x)   STRINGIFY(x)
#define RETRY_LINE   "Retry-After: " TEXT_OF(MSP_RETRY_AFTER_S) "\r\n"

static const struct {
    int status;
    const char *phrase;
    const char *error; /* the JSON body's class */
} statuses[] = {
    {400, "Bad Request", "refused"},
    {403, "Forbidden", "denied"},
    {405, "Method Not Allowed", "refused"},
    {408, "Request Timeout", "refused"},
    {413, "Content Too Large", "refused"},
    {414, "URI Too Long", "refused"},
    {417, "Expectation Failed", "refused"},
    {431, "Request Header Fields Too Large", "refused"},
    {501, "Not Implemented", "refused"},
    {502, "Bad Gateway", "upstream"},
    {503, "Service Unavailable", "unavailable"},
    {504, "Gateway Timeout", "upstream"},
};

static size_t index_of(int status)
{
    for (size_t i = 0; i < ARRAY_SIZE(statuses); i++)
        if (statuses[i].status == status)
            return i;
    return ARRAY_SIZE(statuses) - 2; /* 503 */
}

/* @return bytes written */
static size_t render(char *out, size_t size, const struct msp_reply *reply,
                     bool has_body)
{
    size_t row = index_of(reply->status);
    char body[256];
    int body_len;
    int n;

    body_len = snprintf(body, sizeof(body),
                        "{\"schema\":%d,\"error\":\"%s\",\"reason\":\"%s\"}\n",
                        MSP_JSON_SCHEMA, statuses[row].error, reply->reason);
    n = snprintf(out, size,
                 "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\n"
                 "Content-Length: %d\r\n%s%s%s\r\n%s",
                 statuses[row].status, statuses[row].phrase, body_len,
                 reply->status == 405 ? ALLOW_LINE : "",
                 reply->status == 503 ? RETRY_LINE : "",
                 reply->closes ? "Connection: close\r\n" : "",
                 has_body ? body : "");
    return n < 0 ? 0 : (size_t)n;
}

int msp_reply(struct msp_conn *conn, const struct msp_reply *reply)
{
    struct msp_exchange *ex = conn->ex;
    struct msp_reply answer = *reply;

    if (conn->upstream) {
        msp_upstream_close(conn->upstream);
        conn->upstream = NULL;
    }
    if (answer.closes || !conn->now.is_input_done)
        conn->closes = true;
    answer.closes = msp_conn_must_close(conn) || !ex->head.is_11;
    conn->closes = answer.closes;
    ex->log.status = (uint32_t)answer.status;
    if (ex->log.detail[0] == '\0')
        msp_conn_detail(conn, answer.reason);
    ex->out_len = render(ex->out, sizeof(ex->out), &answer,
                         ex->head.method_bit != MSP_METHOD_HEAD);
    conn->now.n_sent = 0;
    conn->state = MSP_CONN_REPLY;
    return msp_conn_deadline(conn, MSP_BODY_MS) < 0 ? -1 : 1;
}

int msp_reply_http(struct msp_conn *conn, enum msp_http_code code)
{
    struct msp_exchange *ex = conn->ex;

    ex->log.verdict = MSP_VERDICT_DENY;
    ex->log.reason = MSP_REASON_BAD_REQUEST;
    return msp_reply(conn, &(struct msp_reply){
                               .status = msp_http_status(code),
                               .reason = msp_http_reason(code),
                               .closes = true, /* framing is lost */
                           });
}

int msp_reply_flush(struct msp_conn *conn)
{
    struct msp_exchange *ex = conn->ex;

    while (conn->now.n_sent < ex->out_len) {
        ssize_t n = send(conn->client.fd, ex->out + conn->now.n_sent,
                         ex->out_len - conn->now.n_sent,
                         conn->closes ? MSG_NOSIGNAL | MSG_MORE : MSG_NOSIGNAL);

        if (n < 0 && errno == EAGAIN) {
            conn->is_write_blocked = true;
            return 0;
        }
        if (n < 0)
            return -1;
        conn->now.n_sent += (size_t)n;
    }
    return msp_conn_finish(conn);
}

void msp_reply_overload(int fd)
{
    char out[512];
    size_t len = render(out, sizeof(out),
                        &(struct msp_reply){
                            .status = 503,
                            .reason = "too-many-connections",
                            .closes = true,
                        },
                        true);

    (void)send(fd, out, len, MSG_NOSIGNAL);
    (void)shutdown(fd, SHUT_WR);
}
