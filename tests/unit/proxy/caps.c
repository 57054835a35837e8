/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* How many: connections, requests of one connection, descriptors. */
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <msp/payer.h>

#include "fixture.h"
#include "proxy/conn.h"

#define HOST   "Host: 127.0.0.1\r\n"
#define GET    "GET /a HTTP/1.1\r\n" HOST "\r\n"
#define OK     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
#define NTH(n) msp_payer_of(MSP_PAYER_CONTAINER, n)
#define FRESH  NTH(1000000) /* one that has no connection yet */

static void expect_overload(int client)
{
    const char *text = read_message(client, true);

    assert_non_null(strstr(text, "HTTP/1.1 503 "));
    assert_non_null(strstr(text, "\"reason\":\"too-many-connections\""));
    assert_non_null(header_of(text, "retry-after"));
    assert_string_equal(header_of(text, "retry-after"), "1");
    assert_non_null(header_of(text, "connection"));
    assert_string_equal(header_of(text, "connection"), "close");
}

/* A connection that is judged, which is all a denial needs. */
static void expect_judged(struct fixture *f)
{
    int client = fixture_client(f);
    struct msp_child_log log;

    f->verdict = MSP_VERDICT_DENY;
    send_text(client, GET);
    assert_non_null(strstr(read_message(client, true), "HTTP/1.1 403 "));
    fixture_log(f, &log);
    assert_int_equal(log.status, 403);
    (void)close(client);
}

/* A connection over a cap: asks, is told so, and nobody judged it. */
static void expect_rejected(struct fixture *f)
{
    unsigned n_authorized = f->n_authorized;
    int client = fixture_client(f);
    struct msp_child_log log;

    send_text(client, GET);
    expect_overload(client);
    expect_end(client);
    (void)close(client);
    fixture_log(f, &log);
    assert_int_equal(log.status, 503);
    assert_string_equal(log.detail, "too-many-connections");
    assert_int_equal(f->n_authorized, n_authorized);
}

/* `n` more connections of one payer, all of them accepted. */
static void fill(struct fixture *f, int *ret_fds, size_t n, uint64_t payer)
{
    size_t before;

    fixture_hold(f);
    before = f->worker->n_conns;
    f->mark.payer = payer;
    fixture_release(f);
    for (size_t i = 0; i < n; i++)
        ret_fds[i] = fixture_client(f);
    fixture_until(f, has_conns, before + n);
}

static void a_payer_may_have_512_connections(void **state)
{
    static int fds[MSP_CONNS_PER_PAYER];
    struct fixture *f = *state;

    fill(f, fds, ARRAY_SIZE(fds), NTH(42));
    expect_rejected(f);
    fixture_until(f, has_conns, ARRAY_SIZE(fds));
    /* another one is not affected */
    f->mark.payer = FRESH;
    expect_judged(f);
    /* one that goes makes room for another */
    f->mark.payer = NTH(42);
    (void)close(fds[0]);
    fixture_until(f, has_conns, ARRAY_SIZE(fds) - 1);
    expect_judged(f);
    fixture_stop(f);
    assert_int_equal(f->worker->stats.n_over_cap, 1);
    for (size_t i = 1; i < ARRAY_SIZE(fds); i++)
        (void)close(fds[i]);
}

/* Many cgroups, namespaces and users of one payer are one caller. */
static void splitting_a_cgroup_gives_no_more(void **state)
{
    static int fds[MSP_CONNS_PER_PAYER];
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(fds); i += 128) {
        fixture_hold(f);
        f->mark.cgroup_id = 100 + i;
        f->mark.netns_cookie = 4711 + i;
        f->mark.uid = (uint32_t)i;
        fixture_release(f);
        fill(f, fds + i, 128, NTH(42));
    }
    f->mark.cgroup_id = 1;
    expect_rejected(f);
    f->mark.payer = FRESH;
    expect_judged(f);
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        (void)close(fds[i]);
    fixture_until(f, has_conns, 0);
}

/* Opens what each of `n` payers may have. @return connections there are */
static size_t fill_shares(struct fixture *f, int *fds, size_t at,
                          enum msp_payer_kind kind, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t payer = msp_payer_of(kind, i);
        size_t more = 0;

        while (more < msp_payer_share(payer, (uint32_t)(at + more),
                                      MSP_CONNS_MAX, MSP_CONNS_PER_PAYER))
            more++;
        fill(f, fds + at, more, payer);
        at += more;
    }
    return at;
}

/* Thirty of each kind: sixteen would do if all had as much as the first. */
static void however_many_take_their_share_one_more_is_served(void **state)
{
    static int fds[MSP_CONNS_MAX];
    struct fixture *f = *state;
    size_t n = 0;

    n = fill_shares(f, fds, n, MSP_PAYER_CGROUP, 30);
    f->mark.payer = msp_payer_of(MSP_PAYER_CGROUP, 30);
    expect_judged(f);
    f->mark.payer = msp_payer_of(MSP_PAYER_CGROUP, 0);
    expect_rejected(f);
    f->mark.payer = FRESH;
    expect_judged(f);
    n = fill_shares(f, fds, n, MSP_PAYER_CONTAINER, 30);
    f->mark.payer = FRESH;
    expect_judged(f);
    f->mark.payer = 0;
    expect_judged(f);
    fill(f, fds + n, MSP_CONNS_MAX - n, 0); /* root of the host alone */
    expect_rejected(f);
    fixture_until(f, has_conns, ARRAY_SIZE(fds));
    (void)close(fds[0]);
    fixture_until(f, has_conns, ARRAY_SIZE(fds) - 1);
    expect_judged(f);
    fixture_stop(f);
    assert_int_equal(f->worker->stats.n_over_cap, 2);
    for (size_t i = 1; i < ARRAY_SIZE(fds); i++)
        (void)close(fds[i]);
}

/* Even being told 503 takes a place; beyond those it is said unasked. */
static void over_the_places_for_503_it_is_said_at_once(void **state)
{
    static int fds[MSP_CONNS_PER_PAYER + MSP_REJECTS_MAX];
    struct fixture *f = *state;
    int client;

    fill(f, fds, ARRAY_SIZE(fds), NTH(42));
    client = fixture_client(f);
    expect_overload(client); /* it has not asked yet */
    expect_end(client);
    (void)close(client);
    /* and one that has asked hears it too */
    fixture_hold(f);
    client = fixture_client(f);
    send_text(client, GET);
    fixture_release(f);
    expect_overload(client);
    (void)close(client);
    fixture_hold(f);
    assert_int_equal(f->worker->n_rejects, MSP_REJECTS_MAX);
    assert_int_equal(f->worker->n_conns, ARRAY_SIZE(fds));
    f->mark.payer = FRESH;
    fixture_release(f);
    expect_judged(f); /* the places are not counted against others */
    /* they do not last for ever either */
    fixture_advance(f, MSP_IDLE_MS);
    assert_true(fixture_holds(f, has_conns, 0));
    fixture_stop(f);
    assert_int_equal(f->worker->n_rejects, 0);
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        (void)close(fds[i]);
}

static void connection_ends_with_its_10000th_request(void **state)
{
    enum {
        ROUND = 50
    };

    static char text[(ROUND + 1) * sizeof(GET)];
    struct fixture *f = *state;
    int client = fixture_client(f);
    struct msp_child_log log;

    f->verdict = MSP_VERDICT_DENY;
    for (size_t i = 0; i < ROUND; i++)
        memcpy(text + i * strlen(GET), GET, sizeof(GET));
    for (size_t n = 0; n < MSP_CONN_REQUESTS; n += ROUND) {
        if (n + ROUND == MSP_CONN_REQUESTS)
            memcpy(text + ROUND * strlen(GET), GET, sizeof(GET)); /* too many */
        send_text(client, text);
        for (size_t i = 1; i <= ROUND; i++) {
            const char *answer = read_message(client, true);

            assert_non_null(strstr(answer, "HTTP/1.1 403 "));
            assert_int_equal(header_of(answer, "connection") != NULL,
                             n + i == MSP_CONN_REQUESTS);
            fixture_log(f, &log);
        }
    }
    expect_end(client);
    fixture_stop(f);
    assert_int_equal(f->n_authorized, MSP_CONN_REQUESTS);
    (void)close(client);
}

/* --- descriptors -------------------------------------------------------- */

static bool is_paused(const struct fixture *f, uint64_t paused)
{
    return f->worker->is_paused == paused;
}

/* No descriptor is left for anybody. @return the limit as it was */
static rlim_t take_all_descriptors(void)
{
    struct rlimit files;
    rlim_t was;
    int lowest = dup(STDIN_FILENO);

    assert_true(lowest >= 0);
    (void)close(lowest);
    assert_ok(getrlimit(RLIMIT_NOFILE, &files));
    was = files.rlim_cur;
    files.rlim_cur = (rlim_t)lowest;
    assert_ok(setrlimit(RLIMIT_NOFILE, &files));
    return was;
}

static void give_descriptors_back(rlim_t limit)
{
    struct rlimit files;

    assert_ok(getrlimit(RLIMIT_NOFILE, &files));
    files.rlim_cur = limit;
    assert_ok(setrlimit(RLIMIT_NOFILE, &files));
}

/* The client has asked. */
static void exchange_from(int client, int host)
{
    (void)read_message(host, true);
    send_text(host, OK);
    assert_non_null(strstr(read_message(client, true), " 200 "));
}

static void exchange(int client, int host)
{
    send_text(client, GET);
    exchange_from(client, host);
}

static void out_of_descriptors_others_wait_in_the_queue(void **state)
{
    enum {
        CHANCES = 2000
    };

    struct fixture *f = *state;
    int old = fixture_client(f);
    uint64_t n_rounds;
    int waiting, host;
    rlim_t limit;

    send_text(old, GET);
    host = fixture_accept(f);
    (void)read_message(host, true);
    send_text(host, OK);
    (void)read_message(old, true);
    fixture_hold(f);
    waiting = fixture_client(f);
    send_text(waiting, GET);
    limit = take_all_descriptors();
    fixture_release(f);
    fixture_until(f, is_paused, true);
    /* who is there already is served */
    exchange(old, host);
    /* and the worker does not go round and round for the one who waits */
    fixture_hold(f);
    n_rounds = fixture_rounds();
    fixture_release(f);
    for (int i = 0; i < CHANCES; i++)
        (void)sched_yield();
    fixture_hold(f);
    n_rounds = fixture_rounds() - n_rounds;
    fixture_release(f);
    assert_true(n_rounds < 10);
    /* the tick tries in vain, then not */
    fixture_advance(f, 1000);
    fixture_until(f, is_paused, true);
    assert_true(fixture_holds(f, has_conns, 1));
    give_descriptors_back(limit);
    fixture_advance(f, 1000);
    fixture_until(f, has_conns, 2);
    assert_true(fixture_holds(f, is_paused, false));
    (void)read_message(host, true);
    send_text(host, OK);
    assert_non_null(strstr(read_message(waiting, true), " 200 "));
    (void)close(old);
    (void)close(waiting);
    (void)close(host);
}

static void leave_descriptors(struct fixture *f, uint32_t n)
{
    fixture_hold(f);
    f->worker->files_max = n;
    fixture_release(f);
}

/* What is left to connections is enough for both sides of each. */
static void nobody_is_accepted_without_a_place_at_the_host(void **state)
{
    enum {
        N = 3
    };

    struct fixture *f = *state;
    int client[N], host[N - 1];

    leave_descriptors(f, 2 * (N - 1) + 1);
    for (size_t i = 0; i < N; i++) {
        client[i] = fixture_client(f);
        send_text(client[i], GET);
    }
    for (size_t i = 0; i < ARRAY_SIZE(host); i++) {
        host[i] = fixture_accept(f);
        (void)read_message(host[i], true);
    }
    fixture_until(f, is_paused, true);
    assert_true(fixture_holds(f, has_conns, N - 1));
    expect_silence(client[N - 1]); /* it waits, and is not told 502 or 503 */
    send_text(host[0], OK);
    (void)read_message(client[0], true);
    (void)close(client[0]);
    fixture_until(f, has_conns, N - 2);
    fixture_advance(f, 20); /* much sooner than the next tick */
    (void)read_message(host[0], true);
    send_text(host[0], OK);
    assert_non_null(strstr(read_message(client[N - 1], true), " 200 "));
    for (size_t i = 1; i < N; i++)
        (void)close(client[i]);
    for (size_t i = 0; i < ARRAY_SIZE(host); i++)
        (void)close(host[i]);
}

/* Who does nothing gives way: idle ones end, who never asked has to soon. */
static void idle_connections_give_way(void **state)
{
    struct fixture *f = *state;
    int idle = fixture_client(f), silent, host, next;

    leave_descriptors(f, 5);
    send_text(idle, GET);
    host = fixture_accept(f);
    exchange_from(idle, host);
    silent = fixture_client(f);
    fixture_until(f, has_conns, 2);
    next = fixture_client(f);
    send_text(next, GET);
    expect_end(host); /* waited in the pool */
    expect_end(idle);
    (void)close(host);
    host = fixture_accept(f);
    exchange_from(next, host);
    fixture_advance(f, MSP_HEAD_MS);
    expect_end(silent);
    (void)close(idle);
    (void)close(silent);
    (void)close(next);
    (void)close(host);
}

static void out_of_descriptors_for_the_host_is_502(void **state)
{
    struct fixture *f = *state;
    int client = fixture_client(f);
    rlim_t limit;
    int host;

    fixture_until(f, has_conns, 1);
    limit = take_all_descriptors();
    send_text(client, GET);
    assert_non_null(strstr(read_message(client, true), "HTTP/1.1 502 "));
    give_descriptors_back(limit);
    send_text(client, GET);
    host = fixture_accept(f);
    (void)read_message(host, true);
    send_text(host, OK);
    assert_non_null(strstr(read_message(client, true), " 200 "));
    (void)close(client);
    (void)close(host);
}

#define T(test) \
    cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_payer_may_have_512_connections),
        T(splitting_a_cgroup_gives_no_more),
        T(however_many_take_their_share_one_more_is_served),
        T(over_the_places_for_503_it_is_said_at_once),
        T(connection_ends_with_its_10000th_request),
        T(out_of_descriptors_others_wait_in_the_queue),
        T(out_of_descriptors_for_the_host_is_502),
        T(nobody_is_accepted_without_a_place_at_the_host),
        T(idle_connections_give_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
