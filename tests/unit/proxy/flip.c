/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Other identities come into force while connections are open. */
#include "fixture.h"
#include "proxy/conn.h"

#define GET     "GET /a HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
#define OK_HEAD "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"

/* What mspd does to the page, and says. */
static void flip(struct fixture *f)
{
    fixture_hold(f);
    __atomic_store_n(&f->meta.slot[0].identity_epoch, 5, __ATOMIC_RELEASE);
    msp_worker_flipped(f->worker);
    fixture_release(f);
}

/* A connection that has had an answer and may have more. */
static int idle_client(struct fixture *f)
{
    int client = fixture_client(f);

    f->verdict = MSP_VERDICT_DENY;
    send_text(client, GET);
    assert_null(header_of(read_message(client, true), "connection"));
    f->verdict = MSP_VERDICT_ALLOW;
    return client;
}

static void idle_connections_are_closed_at_once(void **state)
{
    struct fixture *f = *state;
    int first = idle_client(f), second = idle_client(f);

    flip(f);
    expect_end(first);
    expect_end(second);
    assert_int_equal(f->n_authorized, 2);
    (void)close(first);
    (void)close(second);
}

static void the_same_identities_close_nothing(void **state)
{
    struct fixture *f = *state;
    int client = idle_client(f);

    fixture_hold(f);
    f->meta.slot[0].generation++;
    msp_worker_flipped(f->worker);
    fixture_release(f);
    expect_silence(client);
    (void)close(client);
}

/* Its client would take a silent end for a failure, and not ask again. */
static void a_new_connection_gets_an_answer(void **state)
{
    struct fixture *f = *state;
    int old = fixture_client(f), asks, waits;
    const char *text;

    fixture_until(f, has_conns, 1);
    fixture_advance(f, MSP_HEAD_MS);
    asks = fixture_client(f);
    waits = fixture_client(f);
    fixture_until(f, has_conns, 3);
    f->verdict = MSP_VERDICT_STALE;
    flip(f);
    expect_end(old);
    send_text(asks, GET);
    text = read_message(asks, true);
    assert_non_null(strstr(text, " 503 "));
    assert_string_equal(header_of(text, "connection"), "close");
    expect_end(asks);
    fixture_advance(f, MSP_HEAD_MS - 1);
    expect_silence(waits);
    fixture_advance(f, 1);
    expect_end(waits);
    (void)close(old);
    (void)close(asks);
    (void)close(waits);
}

/* One whose answer is on its way is idle afterwards, with a stale mark. */
static void a_response_that_has_not_begun_is_the_last(void **state)
{
    struct fixture *f = *state;
    int client = fixture_client(f), host;
    const char *text;

    send_text(client, GET);
    host = fixture_accept(f);
    (void)read_message(host, true);
    flip(f);
    expect_silence(client);
    send_text(host, OK_HEAD "hi");
    text = read_message(client, true);
    assert_non_null(strstr(text, " 200 "));
    assert_string_equal(header_of(text, "connection"), "close");
    expect_end(client);
    (void)close(client);
    (void)close(host);
}

static void a_response_that_has_begun_ends_the_connection(void **state)
{
    struct fixture *f = *state;
    int client = fixture_client(f), host;
    char body[2];

    send_text(client, GET);
    host = fixture_accept(f);
    (void)read_message(host, true);
    send_text(host, OK_HEAD "h");
    assert_null(header_of(read_message(client, false), "connection"));
    flip(f);
    send_text(host, "i");
    read_exactly(client, body, sizeof(body));
    assert_memory_equal(body, "hi", 2);
    expect_end(client);
    (void)close(client);
    (void)close(host);
}

/* Nobody knows whether it was sent before the change. */
static void a_request_that_has_arrived_gets_an_answer(void **state)
{
    struct fixture *f = *state;
    int client = idle_client(f);

    fixture_hold(f);
    f->verdict = MSP_VERDICT_STALE;
    send_text(client, GET);
    __atomic_store_n(&f->meta.slot[0].identity_epoch, 5, __ATOMIC_RELEASE);
    msp_worker_flipped(f->worker);
    fixture_release(f);
    assert_non_null(strstr(read_message(client, true), " 503 "));
    expect_end(client);
    (void)close(client);
}

#define T(test) \
    cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(idle_connections_are_closed_at_once),
        T(the_same_identities_close_nothing),
        T(a_new_connection_gets_an_answer),
        T(a_response_that_has_not_begun_is_the_last),
        T(a_response_that_has_begun_ends_the_connection),
        T(a_request_that_has_arrived_gets_an_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
