/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <netinet/in.h>
#include <sys/socket.h>

#include "fixture.h"

#define HOST    "Host: 127.0.0.1\r\n"
#define GET     "GET /a?b=c HTTP/1.1\r\n" HOST "Metadata: true\r\n\r\n"
#define OK_HEAD "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
#define OK      OK_HEAD "\r\nhi"

/* One exchange on open connections; the host answers `answer`. */
static void exchange(int client, int host, const char *request,
                     const char *answer)
{
    send_text(client, request);
    (void)read_message(host, true);
    send_text(host, answer);
    assert_non_null(strstr(read_message(client, true), "HTTP/1.1 200 OK\r\n"));
}

static void signed_request_reaches_the_host(void **state)
{
    struct fixture *f = *state;
    int client = fixture_client(f);
    struct msp_child_log log;
    const char *text;
    int host;

    f->mark.flags = 0;
    send_text(client, GET);
    host = fixture_accept(f);
    text = read_message(host, true);
    assert_ptr_equal(strstr(text, "GET /a?b=c HTTP/1.1\r\n"), text);
    assert_string_equal(header_of(text, "host"), "127.0.0.1");
    assert_string_equal(header_of(text, "metadata"), "true");
    assert_string_equal(header_of(text, "x-ms-azure-host-claims"),
                        "{ \"isRoot\": \"false\"}");
    assert_non_null(strstr(header_of(text, "x-ms-azure-host-date"), " GMT"));
    assert_memory_equal(header_of(text, "x-ms-azure-host-authorization"),
                        "Azure-HMAC-SHA256 guid-1 ", 25);
    assert_int_equal(strlen(header_of(text, "x-ms-azure-host-authorization")),
                     25 + 64);
    assert_null(header_of(text, "content-length"));
    send_text(host, OK_HEAD "x-ms-azure-host-authorization: no\r\n"
                            "Keep-Alive: timeout=5\r\nServer: s\r\n\r\nhi");
    text = read_message(client, true);
    assert_string_equal(header_of(text, "x-ms-azure-host-authorization"),
                        "value");
    assert_string_equal(header_of(text, "server"), "s");
    assert_null(header_of(text, "keep-alive"));
    assert_null(header_of(text, "connection"));
    assert_non_null(strstr(text, "\r\n\r\nhi"));
    fixture_log(f, &log);
    assert_int_equal(log.status, 200);
    assert_int_equal(log.upstream, 200);
    assert_int_equal(log.is_signed, 1);
    assert_int_equal(log.bytes_out, 2);
    assert_int_equal(log.verdict, MSP_VERDICT_ALLOW);
    assert_string_equal(log.method, "GET");
    assert_string_equal(log.target, "/a?b=c");
    assert_string_equal(log.identity, "somebody");
    assert_string_equal(log.endpoint, "imds");
    assert_string_equal(f->asked.path.path, "/a");
    assert_int_equal(f->asked.path_len, 3);
    assert_int_equal(f->asked.n_pairs, 1);
    assert_int_equal(f->n_owned, 1);
    (void)close(client);
    (void)close(host);
}

/* Asks once, is refused. @return what the log says ran */
static void refused_by(struct fixture *f, const char *exe_name, size_t n,
                       struct msp_child_log *ret)
{
    int client = fixture_client(f);

    memset(f->exe_name, 0, sizeof(f->exe_name));
    memcpy(f->exe_name, exe_name, n);
    f->verdict = MSP_VERDICT_DENY;
    f->reason = MSP_REASON_NOT_ASSIGNED;
    send_text(client, GET);
    assert_non_null(strstr(read_message(client, true), " 403 "));
    fixture_log(f, ret);
    (void)close(client);
}

static void the_log_has_the_base_name_the_kernel_took_down(void **state)
{
    struct fixture *f = *state;
    char full[MSP_NAME_BYTES];
    struct msp_child_log log;

    refused_by(f, "curl", 4, &log);
    assert_string_equal(log.exe_name, "curl");
    refused_by(f, "-", 1, &log);
    assert_string_equal(log.exe_name, "-");
    memset(full, 'X', sizeof(full)); /* no NUL: one is put in its place */
    refused_by(f, full, sizeof(full), &log);
    full[MSP_NAME_BYTES - 1] = '\0';
    assert_memory_equal(log.exe_name, full, sizeof(full));
}

static void the_log_has_no_base_name_of_who_was_not_judged(void **state)
{
    struct fixture *f = *state;
    struct msp_child_log log;
    int client = fixture_client(f);

    memcpy(f->exe_name, "curl", 5);
    send_text(client, "GET /a HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: b\r\n\r\n");
    assert_non_null(strstr(read_message(client, true), " 400 "));
    assert_int_equal(f->n_authorized, 0);
    fixture_log(f, &log);
    assert_string_equal(log.exe_name, "-");
    (void)close(client);
}

static void both_sides_are_kept_alive(void **state)
{
    struct fixture *f = *state;
    int client = fixture_client(f);
    int host;

    send_text(client, GET);
    host = fixture_accept(f);
    (void)read_message(host, true);
    send_text(host, OK);
    (void)read_message(client, true);
    for (int i = 0; i < 50; i++)
        exchange(client, host, GET, OK);
    assert_int_equal(f->n_owned, 1);
    (void)close(client);
    /* and the next client finds the host's connection open */
    client = fixture_client(f);
    exchange(client, host, GET, OK);
    assert_true(fixture_host_is_quiet(f));
    (void)close(client);
    (void)close(host);
}

static void chunked_body_is_sent_with_its_length(void **state)
{
    struct fixture *f = *state;
    int client = fixture_client(f);
    const char *text;
    int host;

    send_text(client, "POST /a HTTP/1.1\r\n" HOST
                      "Transfer-Encoding: chunked\r\nTrailer: x\r\n\r\n"
                      "3;e=1\r\nabc\r\n");
    send_text(client, "4\r\ndefg\r\n0\r\nx: y\r\n\r\n");
    host = fixture_accept(f);
    text = read_message(host, true);
    assert_string_equal(header_of(text, "content-length"), "7");
    assert_null(header_of(text, "transfer-encoding"));
    assert_null(header_of(text, "trailer"));
    assert_non_null(strstr(text, "\r\n\r\nabcdefg"));
    send_text(host, OK);
    (void)read_message(client, true);
    /* nothing of the coding is left for the next request */
    exchange(client, host, GET, OK);
    (void)close(client);
    (void)close(host);
}

/* Sizes around the buffer and at the limit. */
static void bodies_arrive_whole(void **state)
{
    static const size_t sizes[] = {0, 1, 16384, 32600, 32768, 102400};
    static char body[102401];
    struct fixture *f = *state;
    int client = fixture_client(f);

    for (size_t i = 0; i < sizeof(body); i++)
        body[i] = (char)('a' + i % 23);
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        char head[128];
        const char *text;
        struct msp_child_log log;
        int host;

        (void)snprintf(head, sizeof(head),
                       "POST /a HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n"
                       "\r\n",
                       sizes[i]);
        send_text(client, head);
        send_bytes(client, body, sizes[i]);
        host = fixture_accept(f); /* POST: a connection of its own */
        text = read_message(host, true);
        assert_memory_equal(strstr(text, "\r\n\r\n") + 4, body, sizes[i]);
        send_text(host, "HTTP/1.1 200 OK\r\nConnection: close\r\n"
                        "Content-Length: 2\r\n\r\nhi");
        assert_null(header_of(read_message(client, true), "connection"));
        fixture_log(f, &log);
        assert_int_equal(log.bytes_in, sizes[i]);
        (void)close(host);
    }
    (void)close(client);
}

static void too_large_bodies_get_413(void **state)
{
    static char chunk[65536 + 16];
    struct fixture *f = *state;
    int client = fixture_client(f);
    int n;

    send_text(client,
              "POST /a HTTP/1.1\r\n" HOST "Content-Length: 102401\r\n\r\n");
    assert_non_null(strstr(read_message(client, true), "HTTP/1.1 413 "));
    expect_end(client);
    (void)close(client);
    client = fixture_client(f);
    send_text(client,
              "POST /a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
    n = snprintf(chunk, sizeof(chunk), "10000\r\n%065536d\r\n", 0);
    assert_int_equal(n, 65536 + 9);
    send_bytes(client, chunk, (size_t)n);
    send_bytes(client, chunk, (size_t)n);
    assert_non_null(strstr(read_message(client, true), "HTTP/1.1 413 "));
    (void)close(client);
    assert_true(fixture_host_is_quiet(f));
}

static void head_response_has_no_body(void **state)
{
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
    };
    struct fixture *f = *state;
    int client = fixture_client(f);
    int host = -1;

    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        send_text(client, "HEAD /a HTTP/1.1\r\n" HOST "\r\n");
        if (host < 0)
            host = fixture_accept(f);
        (void)read_message(host, false);
        send_text(host, answers[i]);
        (void)read_message(client, false);
    }
    exchange(client, host, GET, OK);
    (void)close(client);
    (void)close(host);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    struct fixture *f = *state;
    int client = fixture_client(f);
    int host, first = -1;

    send_text(client, "GET /1 HTTP/1.1\r\n" HOST "\r\n"
                      "GET /2 HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc"
                      "GET /3 HTTP/1.1\r\n" HOST "\r\n");
    host = fixture_accept(f);
    for (int i = 1; i <= 3; i++) {
        char line[64];

        if (i == 2) { /* a GET with a body is alone on its connection */
            first = host;
            host = fixture_accept(f);
        } else if (i == 3) {
            assert_int_equal(recv(host, line, 1, 0), 0); /* and the last */
            (void)close(host);
            host = first;
        }
        (void)snprintf(line, sizeof(line), "GET /%d HTTP/1.1\r\n", i);
        assert_non_null(strstr(read_message(host, true), line));
        (void)snprintf(line, sizeof(line),
                       "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d", i);
        send_text(host, line);
    }
    for (int i = 1; i <= 3; i++) {
        const char *body = strstr(read_message(client, true), "\r\n\r\n") + 4;

        assert_int_equal(atoi(body), i);
    }
    (void)close(client);
    (void)close(host);
}

static void many_pipelined_refusals_are_all_answered(void **state)
{
    enum {
        N = 2000
    };
    struct fixture *f = *state;
    int client = fixture_client(f);
    static char text[N * sizeof(GET)];
    size_t at = 0;

    f->verdict = MSP_VERDICT_DENY;
    f->reason = MSP_REASON_NOT_ASSIGNED;
    for (int i = 0; i < 100; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s", GET);
    for (int round = 0; round < N / 100; round++) {
        send_bytes(client, text, at);
        for (int i = 0; i < 100; i++) {
            struct msp_child_log log;

            assert_non_null(
                strstr(read_message(client, true), "HTTP/1.1 403 "));
            fixture_log(f, &log);
        }
    }
    assert_int_equal(f->n_authorized, N);
    (void)close(client);
}

static void close_is_honoured(void **state)
{
    struct fixture *f = *state;
    static const char *const requests[] = {
        "GET /a HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
        "GET /a HTTP/1.0\r\n\r\n",
    };

    for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
        int client = fixture_client(f);
        const char *text;
        int host;

        send_text(client, requests[i]);
        host = i ? -1 : fixture_accept(f);
        if (host < 0)
            host = fixture_accept(f);
        text = read_message(host, true);
        assert_null(header_of(text, "connection"));
        send_text(host, "HTTP/1.1 200 OK\r\nConnection: close\r\n"
                        "Content-Length: 2\r\n\r\nhi");
        assert_string_equal(header_of(read_message(client, true), "connection"),
                            "close");
        expect_end(client);
        (void)close(client);
        (void)close(host);
    }
}

static void http_10_may_keep_alive(void **state)
{
    struct fixture *f = *state;
    int client = fixture_client(f);
    int host;

    send_text(client, "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    host = fixture_accept(f);
    assert_non_null(strstr(read_message(host, true), " HTTP/1.0\r\n"));
    send_text(host, OK);
    assert_string_equal(header_of(read_message(client, true), "connection"),
                        "keep-alive");
    exchange(client, host, GET, OK);
    (void)close(client);
    (void)close(host);
}

static void unmarked_connection_is_closed_at_once(void **state)
{
    struct fixture *f = *state;
    int client;

    f->has_mark = false;
    client = fixture_client(f);
    expect_end(client);
    fixture_stop(f);
    assert_int_equal(f->worker->stats.n_unmarked, 1);
    assert_int_equal(f->n_authorized, 0);
    (void)close(client);
}

static bool has_lost(const struct fixture *f, uint64_t n)
{
    return f->n_lost == n;
}

static void an_ended_listener_is_replaced(void **state)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};
    struct fixture *f = *state;
    uint64_t rounds;
    int client, host;

    /* as SOCK_DESTROY does it: the worker's epoll reports it for ever */
    assert_ok(shutdown(f->listener, SHUT_RDWR));
    fixture_advance(f, 1000);
    fixture_until(f, has_lost, 1);
    assert_int_equal(f->lost_cookie, 1);
    fixture_hold(f);
    rounds = fixture_rounds();
    fixture_release(f);
    (void)usleep(50000);
    fixture_hold(f);
    assert_true(fixture_rounds() - rounds < 10);
    fixture_release(f);
    /* said again until there is another */
    fixture_advance(f, 1000);
    fixture_until(f, has_lost, 2);
    fixture_hold(f);
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    addr.sin_port = htons(f->port);
    assert_ok(bind(f->listener, (struct sockaddr *)&addr, sizeof(addr)));
    assert_ok(listen(f->listener, 16));
    assert_ok(msp_worker_listen(f->worker, dup(f->listener), 1, f->port));
    fixture_release(f);
    fixture_advance(f, 1000);
    client = fixture_client(f);
    send_text(client, GET);
    host = fixture_accept(f);
    (void)read_message(host, true);
    send_text(host, OK);
    assert_non_null(strstr(read_message(client, true), " 200 "));
    assert_true(fixture_holds(f, has_lost, 2));
    (void)close(client);
    (void)close(host);
}

static void a_slow_client_still_gets_its_answer(void **state)
{
    struct fixture *f = *state;
    int client = fixture_client(f);
    int host;

    for (size_t i = 0; i < strlen(GET); i++)
        send_bytes(client, &GET[i], 1);
    host = fixture_accept(f);
    (void)read_message(host, true);
    for (size_t i = 0; i < strlen(OK); i++)
        send_bytes(host, &OK[i], 1);
    assert_non_null(strstr(read_message(client, true), "\r\n\r\nhi"));
    (void)close(client);
    (void)close(host);
}

static void a_new_identity_table_closes_idle_connections(void **state)
{
    struct fixture *f = *state;
    int client = fixture_client(f);

    f->verdict = MSP_VERDICT_DENY;
    send_text(client, GET);
    (void)read_message(client, true);
    __atomic_store_n(&f->meta.slot[0].identity_epoch, 5, __ATOMIC_RELEASE);
    expect_silence(client);
    fixture_advance(f, 1000); /* the tick sees it */
    expect_end(client);
    (void)close(client);
}

#define T(test) \
    cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(signed_request_reaches_the_host),
        T(the_log_has_the_base_name_the_kernel_took_down),
        T(the_log_has_no_base_name_of_who_was_not_judged),
        T(both_sides_are_kept_alive),
        T(chunked_body_is_sent_with_its_length),
        T(bodies_arrive_whole),
        T(too_large_bodies_get_413),
        T(head_response_has_no_body),
        T(pipelined_requests_are_answered_in_order),
        T(many_pipelined_refusals_are_all_answered),
        T(close_is_honoured),
        T(http_10_may_keep_alive),
        T(unmarked_connection_is_closed_at_once),
        T(an_ended_listener_is_replaced),
        T(a_slow_client_still_gets_its_answer),
        T(a_new_identity_table_closes_idle_connections),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
