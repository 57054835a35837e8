/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Each deadline of limits.h: not a millisecond early, and not late. */
#include <poll.h>
#include <sys/socket.h>

#include "fixture.h"
#include "proxy/conn.h"
#include "proxy/upstream.h"

#define HOST "Host: 127.0.0.1\r\n"
#define GET  "GET /a HTTP/1.1\r\n" HOST "\r\n"
#define OK   "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
#define UPLOAD \
    "PUT /vmAgentLog HTTP/1.1\r\n" HOST "Content-Length: 1000\r\n\r\n"

/* One exchange on open connections. */
static void exchange(int client, int host)
{
    send_text(client, GET);
    (void)read_message(host, true);
    send_text(host, OK);
    assert_non_null(strstr(read_message(client, true), " 200 "));
}

/* The same on fresh ones; the host's stays open. */
static int open_pair(struct fixture *f, int *ret_host)
{
    int client = fixture_client(f);

    send_text(client, GET);
    *ret_host = fixture_accept(f);
    (void)read_message(*ret_host, true);
    send_text(*ret_host, OK);
    (void)read_message(client, true);
    return client;
}

/* The next log record has this outcome. */
static void expect_log(struct fixture *f, unsigned status, const char *detail)
{
    struct msp_child_log log;

    fixture_log(f, &log);
    assert_int_equal(log.status, status);
    assert_string_equal(log.detail, detail);
}

/* A connection has read that many bytes of a head that is not complete. */
static bool has_head_bytes(const struct fixture *f, uint64_t n)
{
    const struct msp_conn *conn = f->worker->conns;

    return conn && conn->state == MSP_CONN_HEAD && conn->ex &&
           conn->ex->in_len == n;
}

/* The host's bytes have come, but no final head is complete. */
static bool has_response_bytes(const struct fixture *f, uint64_t arg)
{
    const struct msp_conn *conn = f->worker->conns;

    (void)arg;
    return conn && conn->state == MSP_CONN_WAIT && conn->ex &&
           (conn->ex->response_len || conn->now.n_interim);
}

static bool has_body_bytes(const struct fixture *f, uint64_t n)
{
    return f->worker->conns && f->worker->conns->now.body_bytes == n;
}

static bool is_client_blocked(const struct fixture *f, uint64_t arg)
{
    (void)arg;
    return f->worker->conns && f->worker->conns->is_write_blocked;
}

static bool is_host_blocked(const struct fixture *f, uint64_t arg)
{
    const struct msp_conn *conn = f->worker->conns;

    (void)arg;
    return conn && conn->upstream && conn->upstream->is_write_blocked;
}

/* Still in `state` just before `ms` are over; they are over now. */
static void advance_over(struct fixture *f, enum msp_conn_state state,
                         uint64_t ms)
{
    fixture_advance(f, ms - 1);
    assert_true(fixture_holds(f, is_in_state, state));
    fixture_advance(f, 1);
}

/* --- the client --------------------------------------------------------- */

static void head_not_sent_in_5_s_is_408(void **state)
{
    static const char *const heads[] = {
        "G",
        "GET /a HTTP/1.1\r\n",
        "GET /a HTTP/1.1\r\n" HOST "X: y\r\n\r",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
        int client = fixture_client(f);
        const char *text;

        send_text(client, heads[i]);
        fixture_until(f, has_head_bytes, strlen(heads[i]));
        advance_over(f, MSP_CONN_HEAD, MSP_HEAD_MS);
        text = read_message(client, true);
        assert_non_null(strstr(text, "HTTP/1.1 408 "));
        assert_non_null(strstr(text, "\"reason\":\"timeout\""));
        assert_string_equal(header_of(text, "connection"), "close");
        expect_end(client);
        expect_log(f, 408, "timeout");
        fixture_advance(f, MSP_LINGER_MS);
        assert_true(fixture_holds(f, has_conns, 0));
        (void)close(client);
    }
    assert_int_equal(f->n_authorized, 0);
}

static void bytes_of_a_head_buy_no_time(void **state)
{
    struct fixture *f = *state;
    int host;
    int client = open_pair(f, &host);

    expect_log(f, 200, "");
    /* the second request of a connection, a byte every second */
    for (uint64_t i = 0; i < MSP_HEAD_MS / 1000; i++) {
        send_bytes(client, &GET[i], 1);
        fixture_until(f, has_head_bytes, i + 1);
        fixture_advance(f, 999);
        assert_true(fixture_holds(f, has_head_bytes, i + 1));
        fixture_advance(f, 1);
    }
    assert_non_null(strstr(read_message(client, true), "HTTP/1.1 408 "));
    expect_log(f, 408, "timeout");
    (void)close(client);
    (void)close(host);
}

static void head_begun_in_a_pipeline_has_5_s(void **state)
{
    struct fixture *f = *state;
    int client = fixture_client(f);

    f->verdict = MSP_VERDICT_DENY;
    send_text(client, GET "GET /b");
    assert_non_null(strstr(read_message(client, true), "HTTP/1.1 403 "));
    fixture_until(f, has_head_bytes, strlen("GET /b"));
    advance_over(f, MSP_CONN_HEAD, MSP_HEAD_MS);
    assert_non_null(strstr(read_message(client, true), "HTTP/1.1 408 "));
    (void)close(client);
}

static void body_not_sent_in_30_s_is_408(void **state)
{
    static const char *const requests[] = {
        "POST /a HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\n",
        "POST /a HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nab",
        "POST /a HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\nab",
        "POST /a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
        "3\r\nab",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
        int client = fixture_client(f);
        const char *text;

        send_text(client, requests[i]);
        fixture_until(f, is_in_state, MSP_CONN_BODY);
        fixture_advance(f, MSP_BODY_MS / 2);
        send_text(client, "c"); /* buys no time */
        advance_over(f, MSP_CONN_BODY, MSP_BODY_MS / 2);
        text = read_message(client, true);
        assert_non_null(strstr(text, "HTTP/1.1 408 "));
        assert_string_equal(header_of(text, "connection"), "close");
        expect_end(client);
        expect_log(f, 408, "timeout");
        fixture_advance(f, MSP_LINGER_MS);
        assert_true(fixture_holds(f, has_conns, 0));
        (void)close(client);
        assert_true(fixture_host_is_quiet(f));
    }
}

static void upload_that_stands_still_for_30_s_is_408(void **state)
{
    struct fixture *f = *state;
    int client, host;
    char got[8];

    f->mark.endpoint = MSP_EP_HOSTGA;
    client = fixture_client(f);
    send_text(client, UPLOAD "abc");
    host = fixture_accept(f);
    (void)read_message(host, false);
    read_exactly(host, got, 3);
    fixture_until(f, is_in_state, MSP_CONN_UPLOAD);
    fixture_advance(f, MSP_BODY_MS - 1);
    send_text(client, "de"); /* it moves: 30 s more */
    read_exactly(host, got, 2);
    fixture_until(f, has_body_bytes, 5);
    advance_over(f, MSP_CONN_UPLOAD, MSP_BODY_MS);
    assert_non_null(strstr(read_message(client, true), "HTTP/1.1 408 "));
    expect_end(client);
    expect_end(host);
    expect_log(f, 408, "timeout");
    (void)close(client);
    (void)close(host);
}

static void idle_connection_is_closed_after_60_s(void **state)
{
    struct fixture *f = *state;
    int fresh = fixture_client(f);
    int host;
    int client = open_pair(f, &host);

    expect_log(f, 200, "");
    fixture_until(f, has_conns, 2);
    fixture_advance(f, MSP_IDLE_MS / 2);
    (void)close(host); /* long swept from the pool */
    send_text(client, GET);
    host = fixture_accept(f);
    (void)read_message(host, true);
    send_text(host, OK);
    (void)read_message(client, true);
    expect_log(f, 200, "");
    fixture_advance(f, MSP_IDLE_MS / 2 - 1);
    expect_silence(fresh);
    fixture_advance(f, 1);
    expect_end(fresh);
    /* the time counts from the end of the last exchange */
    fixture_advance(f, MSP_IDLE_MS / 2 - 1);
    expect_silence(client);
    assert_true(fixture_holds(f, has_conns, 1));
    fixture_advance(f, 1);
    expect_end(client);
    assert_true(fixture_holds(f, has_conns, 0));
    (void)close(fresh);
    (void)close(client);
    (void)close(host);
}

static void client_that_reads_nothing_for_30_s_is_closed(void **state)
{
    struct fixture *f = *state;
    static char bytes[65536];
    int client = fixture_client(f);
    int host;

    send_text(client, GET);
    host = fixture_accept(f);
    (void)read_message(host, true);
    send_text(host, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
    while (!fixture_holds(f, is_client_blocked, 0))
        (void)send(host, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_NOSIGNAL);
    advance_over(f, MSP_CONN_RELAY, MSP_BODY_MS);
    assert_true(fixture_holds(f, has_conns, 0));
    expect_log(f, 200, "aborted");
    (void)close(client);
    (void)close(host);
}

/* --- the host ----------------------------------------------------------- */

static void host_that_takes_no_connection_in_2_s_is_504(void **state)
{
    struct fixture *f = *state;
    struct pollfd wait = {.fd = f->host, .events = POLLIN};
    struct fixture at_host = {.port = f->host_port};
    int client = fixture_client(f);
    const char *text;
    int filler, host;

    /* a full queue: the kernel answers no SYN any more */
    assert_ok(listen(f->host, 0));
    filler = fixture_client(&at_host);
    assert_int_equal(poll(&wait, 1, 5000), 1);
    send_text(client, GET);
    fixture_until(f, is_in_state, MSP_CONN_CONNECT);
    advance_over(f, MSP_CONN_CONNECT, MSP_UPSTREAM_CONNECT_MS);
    text = read_message(client, true);
    assert_non_null(strstr(text, "HTTP/1.1 504 "));
    assert_non_null(strstr(text, "\"reason\":\"connect-timeout\""));
    assert_null(header_of(text, "connection"));
    expect_log(f, 504, "connect-timeout");
    /* the client's connection survives it; who asks now does not wait, too */
    (void)close(fixture_accept(f));
    (void)close(filler);
    fixture_advance(f, MSP_HOST_AWAY_MS - 1);
    send_text(client, GET);
    text = read_message(client, true);
    assert_non_null(strstr(text, "HTTP/1.1 503 "));
    assert_non_null(strstr(text, "\"reason\":\"host-away\""));
    assert_string_equal(header_of(text, "retry-after"), "1");
    assert_null(header_of(text, "connection"));
    expect_log(f, 503, "host-away");
    /* but not for long */
    fixture_advance(f, 1);
    send_text(client, GET);
    host = fixture_accept(f);
    (void)read_message(host, true);
    send_text(host, OK);
    assert_non_null(strstr(read_message(client, true), " 200 "));
    (void)close(client);
    (void)close(host);
}

static void host_that_answers_nothing_in_30_s_is_504(void **state)
{
    static const char *const pieces[] = {
        NULL,
        "HTTP/1.1 200 O",
        "HTTP/1.1 100 Continue\r\n\r\n",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
        int client = fixture_client(f);
        const char *text;
        int host;

        send_text(client, GET);
        host = fixture_accept(f);
        (void)read_message(host, true);
        fixture_until(f, is_in_state, MSP_CONN_WAIT);
        fixture_advance(f, MSP_FIRST_BYTE_MS / 2);
        if (pieces[i]) { /* buys no time */
            send_text(host, pieces[i]);
            fixture_until(f, has_response_bytes, 0);
        }
        advance_over(f, MSP_CONN_WAIT, MSP_FIRST_BYTE_MS / 2);
        text = read_message(client, true);
        assert_non_null(strstr(text, "HTTP/1.1 504 "));
        assert_non_null(strstr(text, "\"reason\":\"response-timeout\""));
        assert_null(header_of(text, "connection"));
        expect_log(f, 504, "response-timeout");
        expect_end(host);
        (void)close(client);
        (void)close(host);
        fixture_until(f, has_conns, 0);
    }
}

/* A long pipeline gives way to others in the middle; see STEPS_MAX. */
static void giving_way_to_others_moves_no_deadline(void **state)
{
    enum {
        DENIED = 63 /* two steps each: the last two are the request's */
    };

    static char text[(DENIED + 1) * sizeof(GET)];
    struct fixture *f = *state;
    int host;
    int client = open_pair(f, &host);

    for (size_t i = 0; i <= DENIED; i++)
        memcpy(text + i * strlen(GET), GET, sizeof(GET));
    f->n_denials = DENIED;
    send_text(client, text);
    for (size_t i = 0; i < DENIED; i++)
        assert_non_null(strstr(read_message(client, true), " 403 "));
    (void)read_message(host, true);
    fixture_until(f, is_in_state, MSP_CONN_WAIT);
    advance_over(f, MSP_CONN_WAIT, MSP_FIRST_BYTE_MS);
    assert_non_null(strstr(read_message(client, true), "HTTP/1.1 504 "));
    (void)close(client);
    (void)close(host);
}

static void host_that_stops_in_a_response_is_cut_off_after_30_s(void **state)
{
    struct fixture *f = *state;
    int client = fixture_client(f);
    char got[8];
    int host;

    send_text(client, GET);
    host = fixture_accept(f);
    (void)read_message(host, true);
    send_text(host, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
    (void)read_message(client, false);
    read_exactly(client, got, 3);
    fixture_advance(f, MSP_BODY_MS - 1);
    send_text(host, "de"); /* it moves: 30 s more */
    read_exactly(client, got, 2);
    advance_over(f, MSP_CONN_RELAY, MSP_BODY_MS);
    expect_end(client);
    expect_end(host);
    expect_log(f, 200, "aborted");
    (void)close(client);
    (void)close(host);
}

static void host_that_takes_no_upload_for_30_s_is_504(void **state)
{
    struct fixture *f = *state;
    static char bytes[65536];
    const char *text;
    int client, host;

    f->mark.endpoint = MSP_EP_HOSTGA;
    client = fixture_client(f);
    send_text(client, "PUT /vmAgentLog HTTP/1.1\r\n" HOST
                      "Content-Length: 104857600\r\n\r\n");
    host = fixture_accept(f);
    (void)read_message(host, false);
    while (!fixture_holds(f, is_host_blocked, 0))
        (void)send(client, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_NOSIGNAL);
    advance_over(f, MSP_CONN_UPLOAD, MSP_BODY_MS);
    text = read_message(client, true);
    assert_non_null(strstr(text, "HTTP/1.1 504 "));
    assert_string_equal(header_of(text, "connection"), "close");
    expect_log(f, 504, "response-timeout");
    (void)close(client);
    (void)close(host);
}

static void unused_host_connection_is_closed_after_10_s(void **state)
{
    struct fixture *f = *state;
    int host;
    int client = open_pair(f, &host);

    fixture_advance(f, MSP_UPSTREAM_IDLE_MS - 1000);
    expect_silence(host);
    exchange(client, host);
    fixture_advance(f, MSP_UPSTREAM_IDLE_MS - 1000);
    expect_silence(host);
    fixture_advance(f, 1000);
    expect_end(host);
    (void)close(client);
    (void)close(host);
}

/* --- the life of a connection ------------------------------------------- */

#define REQUEST_MS \
    (MSP_HEAD_MS + MSP_BODY_MS + MSP_UPSTREAM_CONNECT_MS + MSP_FIRST_BYTE_MS)
#define LAST_MS (MSP_CONN_MS - REQUEST_MS)

/* Uses the connection until it is `ms` old; it was opened just now. */
static void grow_old(struct fixture *f, int client, uint64_t ms)
{
    f->verdict = MSP_VERDICT_DENY;
    for (uint64_t age = 0; age < ms;) {
        uint64_t step = ms - age < 40000 ? ms - age : 40000;
        const char *text;

        send_text(client, GET);
        text = read_message(client, true);
        assert_non_null(strstr(text, "HTTP/1.1 403 "));
        assert_null(header_of(text, "connection"));
        expect_log(f, 403, "not-assigned");
        fixture_advance(f, step);
        age += step;
    }
    f->verdict = MSP_VERDICT_ALLOW;
}

static void request_of_an_old_connection_has_its_whole_time(void **state)
{
    struct fixture *f = *state;
    int client = fixture_client(f);
    const char *text;
    int host;

    f->reason = MSP_REASON_NOT_ASSIGNED;
    grow_old(f, client, LAST_MS - 1);
    send_text(client, "P");
    fixture_until(f, has_head_bytes, 1);
    fixture_advance(f, MSP_HEAD_MS - 1);
    send_text(client, "OST /a HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\n");
    fixture_until(f, is_in_state, MSP_CONN_BODY);
    fixture_advance(f, MSP_BODY_MS - 1);
    send_text(client, "abc");
    host = fixture_accept(f);
    (void)read_message(host, true);
    fixture_until(f, is_in_state, MSP_CONN_WAIT);
    fixture_advance(f, MSP_FIRST_BYTE_MS - 1);
    send_text(host, OK);
    text = read_message(client, true);
    assert_non_null(strstr(text, " 200 "));
    assert_non_null(header_of(text, "connection"));
    assert_string_equal(header_of(text, "connection"), "close");
    expect_end(client);
    (void)close(client);
    (void)close(host);
}

static void old_connection_takes_no_new_request(void **state)
{
    struct fixture *f = *state;
    int client = fixture_client(f);

    f->reason = MSP_REASON_NOT_ASSIGNED;
    grow_old(f, client, LAST_MS - 1);
    expect_silence(client);
    fixture_advance(f, 1);
    expect_end(client);
    assert_true(fixture_holds(f, has_conns, 0));
    (void)close(client);
}

static void long_response_may_use_up_the_time(void **state)
{
    struct fixture *f = *state;
    int client = fixture_client(f);
    const char *text;
    char byte;
    int host;

    f->reason = MSP_REASON_NOT_ASSIGNED;
    grow_old(f, client, LAST_MS - 1);
    send_text(client, GET);
    host = fixture_accept(f);
    (void)read_message(host, true);
    send_text(host, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n");
    text = read_message(client, false);
    assert_null(header_of(text, "connection")); /* there was time left */
    fixture_advance(f, 20000);
    send_text(host, "x");
    read_exactly(client, &byte, 1);
    expect_log(f, 200, "");
    fixture_advance(f, 0);
    expect_end(client);
    assert_true(fixture_holds(f, has_conns, 0));
    (void)close(client);
    (void)close(host);
}

static void nothing_lives_longer_than_300_s(void **state)
{
    struct fixture *f = *state;
    int client = fixture_client(f);
    uint64_t age = 0;
    char byte;
    int host;

    send_text(client, GET);
    host = fixture_accept(f);
    (void)read_message(host, true);
    send_text(host, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    (void)read_message(client, false);
    for (; age + 20000 < MSP_CONN_MS; age += 20000) {
        fixture_advance(f, 20000);
        send_text(host, "x");
        read_exactly(client, &byte, 1);
    }
    advance_over(f, MSP_CONN_RELAY, MSP_CONN_MS - age);
    expect_end(client);
    expect_end(host);
    assert_true(fixture_holds(f, has_conns, 0));
    (void)close(client);
    (void)close(host);
}

#define T(test) \
    cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(head_not_sent_in_5_s_is_408),
        T(bytes_of_a_head_buy_no_time),
        T(head_begun_in_a_pipeline_has_5_s),
        T(body_not_sent_in_30_s_is_408),
        T(upload_that_stands_still_for_30_s_is_408),
        T(idle_connection_is_closed_after_60_s),
        T(client_that_reads_nothing_for_30_s_is_closed),
        T(host_that_takes_no_connection_in_2_s_is_504),
        T(host_that_answers_nothing_in_30_s_is_504),
        T(giving_way_to_others_moves_no_deadline),
        T(host_that_stops_in_a_response_is_cut_off_after_30_s),
        T(host_that_takes_no_upload_for_30_s_is_504),
        T(unused_host_connection_is_closed_after_10_s),
        T(request_of_an_old_connection_has_its_whole_time),
        T(old_connection_takes_no_new_request),
        T(long_response_may_use_up_the_time),
        T(nothing_lives_longer_than_300_s),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
