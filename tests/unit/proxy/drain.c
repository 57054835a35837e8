/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The way out: what was promised is served, then the worker ends with 0. */
#include <fcntl.h>
#include <sys/socket.h>

#include "fixture.h"
#include "proxy/conn.h"

#define TICK_MS 1000
#define HOST    "Host: 127.0.0.1\r\n"
#define GET     "GET /a HTTP/1.1\r\n" HOST "\r\n"
#define OK      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

static void set_agent(struct fixture *f, uint64_t epoch)
{
    __atomic_store_n(&f->meta.agent_epoch, epoch, __ATOMIC_RELEASE);
}

static void change_agent(struct fixture *f)
{
    set_agent(f, 2);
}

/* The next answer, which must be the last one. */
static void expect_last(int client, const char *status)
{
    const char *text = read_message(client, true);

    assert_non_null(strstr(text, status));
    assert_non_null(header_of(text, "connection"));
    assert_string_equal(header_of(text, "connection"), "close");
    expect_end(client);
    (void)close(client);
}

static void expect_exit(struct fixture *f)
{
    fixture_wait(f);
    assert_int_equal(f->run_result, 0);
    assert_int_equal(f->worker->n_conns, 0);
}

/* As the host: takes one request on a new connection and answers it. */
static void serve(struct fixture *f)
{
    int host = fixture_accept(f);

    (void)read_message(host, true);
    send_text(host, OK);
    expect_end(host); /* nothing is pooled any more */
    (void)close(host);
}

static bool is_draining(const struct fixture *f, uint64_t draining)
{
    return !f->has_ended && f->worker->is_draining == draining;
}

static void new_agent_ends_a_worker_that_has_nobody(void **state)
{
    struct fixture *f = *state;

    change_agent(f);
    fixture_advance(f, TICK_MS - 1);
    assert_false(f->has_ended);
    fixture_advance(f, 1);
    expect_exit(f);
}

static void request_in_flight_is_finished(void **state)
{
    struct fixture *f = *state;
    int idle = fixture_client(f);
    int busy = fixture_client(f);
    int host;

    send_text(idle, GET);
    host = fixture_accept(f);
    (void)read_message(host, true);
    send_text(host, OK);
    (void)read_message(idle, true);
    send_text(busy, GET);
    (void)read_message(host, true);
    change_agent(f);
    fixture_advance(f, TICK_MS);
    expect_end(idle);
    expect_silence(busy);
    send_text(host, OK);
    expect_last(busy, " 200 ");
    expect_exit(f);
    (void)close(idle);
    (void)close(host);
}

static void request_half_arrived_is_finished(void **state)
{
    struct fixture *f = *state;
    int head = fixture_client(f);
    int body = fixture_client(f);

    send_text(head, "GET /a HT");
    send_text(body, "POST /a HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nx");
    fixture_until(f, is_in_state, MSP_CONN_BODY);
    change_agent(f);
    fixture_advance(f, TICK_MS);
    send_text(body, "y");
    serve(f);
    expect_last(body, " 200 ");
    send_text(head, "TP/1.1\r\n" HOST "\r\n");
    serve(f);
    expect_last(head, " 200 ");
    expect_exit(f);
}

/* The row of the request page is the 16th agent's after ours again. */
static void after_8_more_agents_nothing_is_judged(void **state)
{
    struct fixture *f = *state;
    int last = fixture_client(f);
    int late = fixture_client(f);

    send_text(last, "GET /a HT");
    send_text(late, "GET /a HT");
    change_agent(f);
    fixture_advance(f, TICK_MS);
    set_agent(f, 1 + MSP_WORKERS_MAX / 2 - 1);
    send_text(last, "TP/1.1\r\n" HOST "\r\n");
    serve(f);
    expect_last(last, " 200 ");
    set_agent(f, 1 + MSP_WORKERS_MAX / 2);
    send_text(late, "TP/1.1\r\n" HOST "\r\n");
    expect_last(late, " 503 ");
    assert_int_equal(f->n_authorized, 1);
    expect_exit(f);
}

/* It was sent before the worker could know; only a reset would tell. */
static void request_just_arrived_is_served(void **state)
{
    struct fixture *f = *state;
    int client = fixture_client(f);
    int gone = fixture_client(f);

    f->verdict = MSP_VERDICT_DENY;
    send_text(client, GET);
    (void)read_message(client, true);
    f->verdict = MSP_VERDICT_ALLOW;
    fixture_until(f, has_conns, 2);
    fixture_hold(f);
    send_text(client, GET);
    (void)close(gone);
    change_agent(f);
    fixture_skip(TICK_MS);
    fixture_release(f); /* the tick comes first */
    serve(f);
    expect_last(client, " 200 ");
    expect_exit(f);
}

static void request_just_arrived_is_judged_by_new_identities(void **state)
{
    struct fixture *f = *state;
    int client = fixture_client(f);

    f->verdict = MSP_VERDICT_DENY;
    send_text(client, GET);
    (void)read_message(client, true);
    fixture_hold(f);
    f->verdict = MSP_VERDICT_STALE;
    send_text(client, GET);
    __atomic_store_n(&f->meta.slot[0].identity_epoch, 5, __ATOMIC_RELEASE);
    fixture_skip(TICK_MS);
    fixture_release(f);
    expect_last(client, " 503 ");
}

/* Accepted, but it has not asked yet: as good as one in the queue. */
static void new_connection_may_ask_within_5_s(void **state)
{
    struct fixture *f = *state;
    int prompt = fixture_client(f);
    int late = fixture_client(f);

    fixture_until(f, has_conns, 2);
    change_agent(f);
    fixture_advance(f, TICK_MS);
    fixture_advance(f, MSP_HEAD_MS - 1);
    send_text(prompt, GET);
    serve(f);
    expect_last(prompt, " 200 ");
    expect_silence(late);
    fixture_advance(f, 1);
    expect_end(late);
    expect_exit(f);
    (void)close(late);
}

/* Its client was told "keep alive" before the change. */
static void connection_promised_to_live_may_ask_within_5_s(void **state)
{
    struct fixture *f = *state;
    int prompt = fixture_client(f);
    int late = fixture_client(f);
    int host[2];
    char got[2];

    for (int i = 0; i < 2; i++) {
        int client = i ? late : prompt;

        send_text(client, GET);
        host[i] = fixture_accept(f);
        (void)read_message(host[i], true);
        send_text(host[i], "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
        assert_null(header_of(read_message(client, false), "connection"));
    }
    change_agent(f);
    fixture_advance(f, TICK_MS);
    for (int i = 0; i < 2; i++) {
        send_text(host[i], "hi");
        read_exactly(i ? late : prompt, got, 2);
        (void)close(host[i]);
    }
    fixture_advance(f, MSP_HEAD_MS - 1);
    send_text(prompt, GET);
    serve(f);
    expect_last(prompt, " 200 ");
    expect_silence(late);
    fixture_advance(f, 1);
    expect_end(late);
    expect_exit(f);
    (void)close(late);
}

/* Three kinds of clients in the queue of a listener about to be closed. */
static void backlog_is_served(void **state)
{
    struct fixture *f = *state;
    int denied, allowed, silent;

    fixture_hold(f);
    denied = fixture_client(f);
    allowed = fixture_client(f);
    silent = fixture_client(f);
    f->n_denials = 1;
    send_text(denied, GET);
    send_text(allowed, GET);
    change_agent(f);
    fixture_skip(TICK_MS);
    fixture_release(f);
    expect_last(denied, " 403 ");
    serve(f);
    expect_last(allowed, " 200 ");
    assert_true(fixture_holds(f, has_conns, 1));
    send_text(silent, GET);
    serve(f);
    expect_last(silent, " 200 ");
    expect_exit(f);
}

/* Served and gone while others still wait: that must not be the end. */
static void first_of_the_backlog_does_not_end_the_worker(void **state)
{
    struct fixture *f = *state;
    int first, second;

    fixture_hold(f);
    first = fixture_client(f);
    second = fixture_client(f);
    f->n_denials = 1;
    send_text(first, "GET /a HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    send_text(second, GET);
    change_agent(f);
    fixture_skip(TICK_MS);
    fixture_release(f);
    expect_last(first, " 403 ");
    serve(f);
    expect_last(second, " 200 ");
    expect_exit(f);
}

static void connection_after_the_change_is_served(void **state)
{
    struct fixture *f = *state;
    int client;

    change_agent(f);
    client = fixture_client(f); /* no tick has come */
    send_text(client, GET);
    serve(f);
    expect_last(client, " 200 ");
    expect_exit(f);
}

static void whole_backlog_is_answered(void **state)
{
    /* the kernel queues one more than it was asked for */
    static int fds[MSP_LISTEN_BACKLOG + 1];
    struct fixture *f = *state;

    assert_ok(listen(f->listener, MSP_LISTEN_BACKLOG));
    fixture_hold(f);
    f->has_mark = false; /* closed at once, but accepted */
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        fds[i] = fixture_client(f);
    change_agent(f);
    fixture_skip(TICK_MS);
    fixture_release(f);
    expect_exit(f);
    assert_int_equal(f->worker->stats.n_accepted, ARRAY_SIZE(fds));
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
        expect_end(fds[i]); /* not a reset */
        (void)close(fds[i]);
    }
}

static void who_never_ends_is_left_after_30_s(void **state)
{
    struct fixture *f = *state;
    int client = fixture_client(f);
    int host;
    char byte;

    send_text(client, GET);
    host = fixture_accept(f);
    (void)read_message(host, true);
    send_text(host, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    (void)read_message(client, false);
    change_agent(f);
    fixture_advance(f, TICK_MS);
    for (uint64_t ms = 0; ms < MSP_DRAIN_MS; ms += TICK_MS) {
        assert_true(fixture_holds(f, is_draining, true));
        send_text(host, "x"); /* still relayed */
        read_exactly(client, &byte, 1);
        fixture_advance(f, TICK_MS);
    }
    fixture_wait(f);
    assert_int_equal(f->run_result, 0);
    assert_int_equal(f->worker->n_conns, 1);
    (void)close(client);
    (void)close(host);
}

static void no_listener_is_taken_on_the_way_out(void **state)
{
    struct fixture *f = *state;
    int client = fixture_client(f);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    send_text(client, "GET /a");
    fixture_until(f, has_conns, 1);
    assert_true(fd >= 0);
    change_agent(f);
    fixture_advance(f, TICK_MS);
    assert_true(fixture_holds(f, is_draining, true));
    fixture_hold(f);
    assert_errno(msp_worker_listen(f->worker, fd, 2, 1), ESHUTDOWN);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    fixture_release(f);
    (void)close(client);
    expect_exit(f);
}

#define T(test) \
    cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(new_agent_ends_a_worker_that_has_nobody),
        T(request_in_flight_is_finished),
        T(request_half_arrived_is_finished),
        T(after_8_more_agents_nothing_is_judged),
        T(request_just_arrived_is_served),
        T(request_just_arrived_is_judged_by_new_identities),
        T(new_connection_may_ask_within_5_s),
        T(connection_promised_to_live_may_ask_within_5_s),
        T(backlog_is_served),
        T(first_of_the_backlog_does_not_end_the_worker),
        T(connection_after_the_change_is_served),
        T(whole_backlog_is_answered),
        T(who_never_ends_is_left_after_30_s),
        T(no_listener_is_taken_on_the_way_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
