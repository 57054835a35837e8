/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <sys/socket.h>

#include "fixture.h"

#define HOST "Host: 127.0.0.1\r\n"
#define GET  "GET /a HTTP/1.1\r\n" HOST "\r\n"
#define OK   "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

/* One whole exchange on fresh connections; the host's stays open. */
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

static void chunked_response_is_relayed_as_it_is(void **state)
{
    static const char body[] = "5\r\nhello\r\n1;x=y\r\n!\r\n0\r\n\r\n";
    struct fixture *f = *state;
    int client, host;
    struct msp_child_log log;
    const char *text;

    client = open_pair(f, &host);
    fixture_log(f, &log);
    for (int i = 0; i < 2; i++) {
        send_text(client, GET);
        (void)read_message(host, true);
        send_text(host, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
                        "Connection: x-hop\r\nX-Hop: 1\r\n\r\n");
        for (size_t at = 0; at < sizeof(body) - 1; at++)
            send_bytes(host, body + at, 1);
        text = read_message(client, true);
        assert_string_equal(header_of(text, "transfer-encoding"), "chunked");
        assert_null(header_of(text, "x-hop"));
        assert_string_equal(strstr(text, "\r\n\r\n") + 4, body);
        fixture_log(f, &log);
        assert_int_equal(log.bytes_out, 6);
    }
    (void)close(client);
    (void)close(host);
}

/* What is one header more to a lenient client must not come as a trailer. */
static void trailers_of_a_response_end_here(void **state)
{
    static const char sent[] = "5\r\nhello\r\n0;x=y\r\nX-T: 1\r\n"
                               "Content-Length: 9\r\n\r\n";
    static const char wanted[] = "5\r\nhello\r\n0;x=y\r\n\r\n";
    struct fixture *f = *state;
    char got[sizeof(wanted)] = "";
    int client, host;

    client = open_pair(f, &host);
    for (size_t step = 1; step <= sizeof(sent); step++) {
        send_text(client, GET);
        (void)read_message(host, true);
        send_text(host, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
                        "Trailer: X-T\r\n\r\n");
        for (size_t at = 0; at < sizeof(sent) - 1; at += step)
            send_bytes(host, sent + at,
                       sizeof(sent) - 1 - at < step ? sizeof(sent) - 1 - at
                                                    : step);
        (void)read_message(client, false);
        read_exactly(client, got, sizeof(wanted) - 1);
        assert_string_equal(got, wanted);
    }
    expect_silence(client);
    (void)close(client);
    (void)close(host);
}

static void response_until_the_end_closes_the_client(void **state)
{
    struct fixture *f = *state;
    int client = fixture_client(f);
    char body[6] = "";
    int host;

    send_text(client, GET);
    host = fixture_accept(f);
    (void)read_message(host, true);
    send_text(host, "HTTP/1.1 200 OK\r\n\r\nhello");
    assert_string_equal(header_of(read_message(client, false), "connection"),
                        "close");
    read_exactly(client, body, 5);
    assert_string_equal(body, "hello");
    (void)close(host);
    expect_end(client);
    (void)close(client);
}

static void large_responses_arrive_whole(void **state)
{
    enum {
        SIZE = 3 << 20
    };

    static char sent[SIZE], got[SIZE];
    struct fixture *f = *state;
    int client = fixture_client(f);
    char head[128];
    int host;

    for (size_t i = 0; i < SIZE; i++)
        sent[i] = (char)(i * 7 + i / 4096);
    send_text(client, GET);
    host = fixture_accept(f);
    (void)read_message(host, true);
    (void)snprintf(head, sizeof(head),
                   "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", SIZE);
    send_text(host, head);
    (void)read_message(client, false);
    for (size_t at = 0; at < SIZE; at += 65536) {
        send_bytes(host, sent + at, 65536);
        read_exactly(client, got + at, 65536);
    }
    assert_memory_equal(sent, got, SIZE);
    (void)close(client);
    (void)close(host);
}

/* The client reads nothing until the host has written all it can. */
static void slow_reader_loses_nothing(void **state)
{
    enum {
        SIZE = 8 << 20
    };

    static char sent[SIZE], got[SIZE];
    struct fixture *f = *state;
    int client = fixture_client(f);
    char head[128];
    size_t at = 0;
    int host;

    for (size_t i = 0; i < SIZE; i++)
        sent[i] = (char)(i * 13 + i / 1000);
    send_text(client, GET);
    host = fixture_accept(f);
    (void)read_message(host, true);
    (void)snprintf(head, sizeof(head),
                   "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", SIZE);
    send_text(host, head);
    for (;;) {
        ssize_t n =
            send(host, sent + at, SIZE - at, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n <= 0)
            break;
        at += (size_t)n;
    }
    (void)read_message(client, false);
    read_exactly(client, got, at);
    send_bytes(host, sent + at, SIZE - at > 65536 ? 65536 : SIZE - at);
    read_exactly(client, got + at, SIZE - at > 65536 ? 65536 : SIZE - at);
    assert_memory_equal(sent, got, at);
    (void)close(client);
    (void)close(host);
}

static const struct {
    const char *answer; /* then the host closes */
    const char *detail;
} bad[] = {
    {"", "closed-early"},
    {"HTTP/1.1 200", "closed-early"},
    {"nonsense\r\n\r\n", ""},
    {"HTTP/1.1 200 OK\nContent-Length: 0\n\n", ""},
    {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", ""},
    {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n"
     "\r\n0\r\n\r\n",
     ""},
    {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
     "interim-response"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n", ""},
};

static void bad_responses_become_502(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        int client = fixture_client(f);
        struct msp_child_log log;
        int host;

        send_text(client, GET);
        host = fixture_accept(f);
        (void)read_message(host, true);
        send_text(host, bad[i].answer);
        (void)shutdown(host, SHUT_WR);
        assert_non_null(strstr(read_message(client, true), " 502 "));
        fixture_log(f, &log);
        assert_int_equal(log.status, 502);
        assert_true(log.detail[0] != '\0');
        if (bad[i].detail[0])
            assert_string_equal(log.detail, bad[i].detail);
        (void)close(client);
        (void)close(host);
    }
}

static void response_cut_short_is_cut_short(void **state)
{
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        int client = fixture_client(f);
        char rest[64];
        ssize_t n;
        int host;

        send_text(client, GET);
        host = fixture_accept(f);
        (void)read_message(host, true);
        send_text(host, answers[i]);
        (void)close(host);
        (void)read_message(client, false);
        do
            n = recv(client, rest, sizeof(rest), 0);
        while (n > 0);
        assert_int_equal(n, 0);
        (void)close(client);
    }
}

/* Its end is the connection's: one that was cut short must not look like it. */
static void response_until_the_end_is_not_cut_short_in_silence(void **state)
{
    const struct linger hard = {.l_onoff = 1, .l_linger = 0};
    struct fixture *f = *state;

    for (int resets = 0; resets < 2; resets++) {
        int client = fixture_client(f);
        char got[3];
        int host;

        send_text(client, GET);
        host = fixture_accept(f);
        (void)read_message(host, true);
        send_text(host, "HTTP/1.1 200 OK\r\n\r\nabc");
        (void)read_message(client, false);
        read_exactly(client, got, 3);
        if (resets) {
            assert_ok(
                setsockopt(host, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)));
            (void)close(host);
        } else {
            fixture_advance(f, MSP_BODY_MS);
        }
        assert_int_equal(recv(client, got, sizeof(got), 0), -1);
        assert_int_equal(errno, ECONNRESET);
        (void)close(client);
        if (!resets)
            (void)close(host);
    }
}

static void interim_responses_are_dropped(void **state)
{
    struct fixture *f = *state;
    int client = fixture_client(f);
    int host;

    send_text(client, GET);
    host = fixture_accept(f);
    (void)read_message(host, true);
    send_text(host, "HTTP/1.1 100 Continue\r\n\r\n"
                    "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" OK);
    assert_non_null(strstr(read_message(client, true), " 200 "));
    (void)close(client);
    (void)close(host);
}

static void bytes_behind_a_response_reach_nobody(void **state)
{
    struct fixture *f = *state;
    int client = fixture_client(f);
    int host, other;

    send_text(client, GET);
    host = fixture_accept(f);
    (void)read_message(host, true);
    send_text(host, OK "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
    assert_non_null(strstr(read_message(client, true), "\r\n\r\nhi"));
    send_text(client, GET);
    other = fixture_accept(f); /* the poisoned connection is not used again */
    (void)read_message(other, true);
    send_text(other, OK);
    assert_non_null(strstr(read_message(client, true), "\r\n\r\nhi"));
    (void)close(client);
    (void)close(host);
    (void)close(other);
}

static void lost_idle_connection_is_tried_once_more(void **state)
{
    struct fixture *f = *state;
    int client, host, other;

    client = open_pair(f, &host);
    send_text(client, GET);
    (void)read_message(host, true);
    (void)close(host); /* instead of an answer */
    other = fixture_accept(f);
    (void)read_message(other, true);
    send_text(other, OK);
    assert_non_null(strstr(read_message(client, true), " 200 "));
    /* a new connection that is lost is not tried again */
    send_text(client, GET);
    (void)read_message(other, true);
    (void)close(other);
    other = fixture_accept(f);
    (void)read_message(other, true);
    (void)close(other);
    assert_non_null(strstr(read_message(client, true), " 502 "));
    assert_true(fixture_host_is_quiet(f));
    (void)close(client);
}

/* What goes out again is what the policy of that moment wants. */
static void a_second_try_is_signed_as_the_policy_now_wants(void **state)
{
    static const char *const names[] = {"x-ms-azure-host-authorization",
                                        "x-ms-azure-host-date"};
    const struct msp_child_key none = {0};
    struct fixture *f = *state;
    int client, host, other;
    const char *text;

    assert_ok(msp_key_set(f->key, &none));
    f->mode = MSP_MODE_AUDIT;
    client = open_pair(f, &host);
    send_text(client, GET);
    assert_null(header_of(read_message(host, true), names[0]));
    /* now there is a key, and enforce is pushed */
    fixture_hold(f);
    fixture_set_key(f);
    f->mode = MSP_MODE_ENFORCE;
    f->meta.slot[0].generation++;
    fixture_release(f);
    (void)close(host); /* instead of an answer */
    other = fixture_accept(f);
    text = read_message(other, true);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        assert_non_null(header_of(text, names[i]));
    send_text(other, OK);
    assert_non_null(strstr(read_message(client, true), " 200 "));
    (void)close(client);
    (void)close(other);
}

static void post_never_shares_an_idle_connection(void **state)
{
    struct fixture *f = *state;
    int client, host, other;

    client = open_pair(f, &host);
    send_text(client, "POST /a HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n");
    other = fixture_accept(f);
    (void)read_message(other, true);
    send_text(other, OK);
    (void)read_message(client, true);
    (void)close(client);
    (void)close(host);
    (void)close(other);
}

static void host_down_is_502(void **state)
{
    struct fixture *f = *state;
    struct msp_child_log log;
    int client;

    (void)close(f->host);
    client = fixture_client(f);
    for (int i = 0; i < 2; i++) { /* the client's connection survives it */
        const char *text;

        send_text(client, GET);
        text = read_message(client, true);
        assert_non_null(strstr(text, " 502 "));
        assert_non_null(strstr(text, "connect-failed"));
        fixture_log(f, &log);
        assert_int_equal(log.upstream, 0);
    }
    (void)close(client);
}

static void unmarked_socket_does_not_connect(void **state)
{
    struct fixture *f = *state;
    int client = fixture_client(f);

    f->own_result = -EPERM;
    send_text(client, GET);
    assert_non_null(strstr(read_message(client, true), " 502 "));
    assert_true(fixture_host_is_quiet(f));
    (void)close(client);
}

#define T(test) \
    cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(chunked_response_is_relayed_as_it_is),
        T(trailers_of_a_response_end_here),
        T(response_until_the_end_closes_the_client),
        T(large_responses_arrive_whole),
        T(slow_reader_loses_nothing),
        T(bad_responses_become_502),
        T(response_cut_short_is_cut_short),
        T(response_until_the_end_is_not_cut_short_in_silence),
        T(interim_responses_are_dropped),
        T(bytes_behind_a_response_reach_nobody),
        T(lost_idle_connection_is_tried_once_more),
        T(a_second_try_is_signed_as_the_policy_now_wants),
        T(post_never_shares_an_idle_connection),
        T(host_down_is_502),
        T(unmarked_socket_does_not_connect),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
