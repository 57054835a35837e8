/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* A caller whose token bucket is empty: 429, and a connection that waits. */
#include <sys/socket.h>

#include "fixture.h"
#include "proxy/conn.h"

#define HOST "Host: 127.0.0.1\r\n"
#define GET  "GET /a HTTP/1.1\r\n" HOST "\r\n"
#define POST "POST /a HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n"
#define OK   "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

static void limit(struct fixture *f, uint32_t retry_after_s)
{
    f->verdict = MSP_VERDICT_DENY;
    f->reason = MSP_REASON_RATE_LIMITED;
    f->retry_after_s = retry_after_s;
}

/* Asks, and is told to come later. The connection stays. */
static void expect_429(struct fixture *f, int client, const char *after)
{
    struct msp_child_log log;
    const char *text;

    send_text(client, GET);
    text = read_message(client, true);
    assert_ptr_equal(strstr(text, "HTTP/1.1 429 Too Many Requests\r\n"), text);
    assert_string_equal(header_of(text, "retry-after"), after);
    assert_null(header_of(text, "connection"));
    assert_non_null(strstr(text, "\"error\":\"limited\""));
    assert_non_null(strstr(text, "\"reason\":\"rate-limited\""));
    fixture_log(f, &log);
    assert_int_equal(log.status, 429);
    assert_int_equal(log.verdict, MSP_VERDICT_DENY);
    assert_int_equal(log.reason, MSP_REASON_RATE_LIMITED);
}

static void serve(struct fixture *f, int client)
{
    int host = fixture_accept(f);
    struct msp_child_log log;

    (void)read_message(host, true);
    send_text(host, OK);
    assert_non_null(strstr(read_message(client, true), " 200 "));
    fixture_log(f, &log);
    assert_int_equal(log.status, 200);
    (void)close(host);
}

static void who_comes_later_is_served_on_the_same_connection(void **state)
{
    struct fixture *f = *state;
    int client = fixture_client(f);

    limit(f, 3);
    expect_429(f, client, "3");
    fixture_advance(f, MSP_PAUSE_MS);
    fixture_until(f, is_in_state, MSP_CONN_HEAD);
    f->verdict = MSP_VERDICT_ALLOW;
    f->reason = MSP_REASON_PRIVILEGE;
    send_text(client, GET);
    serve(f, client);
    (void)close(client);
}

static void who_comes_at_once_waits(void **state)
{
    struct fixture *f = *state;
    int client = fixture_client(f);

    limit(f, 1);
    expect_429(f, client, "1");
    fixture_until(f, is_in_state, MSP_CONN_PAUSE);
    send_text(client, GET);
    fixture_advance(f, MSP_PAUSE_MS - 1);
    assert_true(fixture_holds(f, is_in_state, MSP_CONN_PAUSE));
    assert_int_equal(f->n_authorized, 1);
    expect_silence(client);
    fixture_advance(f, 1);
    assert_non_null(strstr(read_message(client, true), " 429 "));
    assert_int_equal(f->n_authorized, 2);
    (void)close(client);
}

/* A refusal costs as much as an answer, so without a token it waits, too. */
static void who_is_refused_anyhow_waits_too(void **state)
{
    struct fixture *f = *state;
    int client = fixture_client(f);
    const char *text;

    limit(f, 1);
    f->reason = MSP_REASON_DEFAULT_DENY;
    send_text(client, GET GET);
    text = read_message(client, true);
    assert_non_null(strstr(text, " 403 "));
    assert_null(header_of(text, "retry-after"));
    fixture_until(f, is_in_state, MSP_CONN_PAUSE);
    expect_silence(client);
    assert_int_equal(f->n_authorized, 1);
    f->retry_after_s = 0; /* there is a token again */
    fixture_advance(f, MSP_PAUSE_MS);
    assert_non_null(strstr(read_message(client, true), " 403 "));
    send_text(client, GET);
    assert_non_null(strstr(read_message(client, true), " 403 "));
    assert_int_equal(f->n_authorized, 3);
    (void)close(client);
}

/* What came with the first request is no way around. */
static void a_pipeline_waits_too(void **state)
{
    struct fixture *f = *state;
    int client = fixture_client(f);

    limit(f, 1);
    send_text(client, GET GET);
    assert_non_null(strstr(read_message(client, true), " 429 "));
    fixture_until(f, is_in_state, MSP_CONN_PAUSE);
    expect_silence(client);
    assert_int_equal(f->n_authorized, 1);
    fixture_advance(f, MSP_PAUSE_MS);
    assert_non_null(strstr(read_message(client, true), " 429 "));
    assert_int_equal(f->n_authorized, 2);
    (void)close(client);
}

static void who_goes_takes_no_place(void **state)
{
    struct fixture *f = *state;
    int client = fixture_client(f);

    limit(f, 1);
    expect_429(f, client, "1");
    fixture_until(f, is_in_state, MSP_CONN_PAUSE);
    (void)close(client);
    fixture_until(f, has_conns, 0);
}

static void on_the_way_out_nobody_waits(void **state)
{
    struct fixture *f = *state;
    int client = fixture_client(f);

    limit(f, 1);
    expect_429(f, client, "1");
    fixture_until(f, is_in_state, MSP_CONN_PAUSE);
    fixture_hold(f);
    msp_worker_drain(f->worker);
    fixture_release(f);
    expect_end(client);
    (void)close(client);
}

static void no_room_for_a_bucket_is_503(void **state)
{
    struct fixture *f = *state;
    int client = fixture_client(f);
    const char *text;

    f->verdict = MSP_VERDICT_DENY;
    f->reason = MSP_REASON_RATE_NO_ROOM;
    send_text(client, GET);
    text = read_message(client, true);
    assert_ptr_equal(strstr(text, "HTTP/1.1 503 "), text);
    assert_string_equal(header_of(text, "retry-after"), "1");
    assert_null(header_of(text, "connection"));
    assert_non_null(strstr(text, "\"reason\":\"rate-no-room\""));
    (void)close(client);
}

/* A body that was long in coming is judged again, and pays no second time. */
static void a_request_judged_twice_pays_once(void **state)
{
    struct fixture *f = *state;
    int client = fixture_client(f);

    send_text(client, POST);
    fixture_until(f, is_in_state, MSP_CONN_BODY);
    assert_int_equal(f->asked.is_charged, 0);
    fixture_hold(f);
    f->meta.slot[0].generation++;
    fixture_release(f);
    send_text(client, "hi");
    serve(f, client);
    assert_int_equal(f->n_authorized, 2);
    assert_int_equal(f->asked.is_charged, 1);
    /* the next one does */
    send_text(client, GET);
    serve(f, client);
    assert_int_equal(f->asked.is_charged, 0);
    (void)close(client);
}

int main(void)
{
#define T(fn) \
    cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(who_comes_later_is_served_on_the_same_connection),
        T(who_comes_at_once_waits),
        T(a_pipeline_waits_too),
        T(who_is_refused_anyhow_waits_too),
        T(who_goes_takes_no_place),
        T(on_the_way_out_nobody_waits),
        T(no_room_for_a_bucket_is_503),
        T(a_request_judged_twice_pays_once),
    };
#undef T

    return cmocka_run_group_tests(tests, NULL, NULL);
}
