/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Token buckets in the kernel: what `authorize` takes from them, by itself and
 * many at once, what a push leaves of them, and what is taken away.
 */
#include "loader/rates.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>

#include <bpf/bpf.h>

#include "bpf/slot.h"
#include "harness/test.h"
#include "loader/events.h"

enum {
    PAYER = 77,
    OTHER = 78,
    THREADS = 8,
    BURST = 20000, /* of the race: more than come back while it lasts */
};

static void apply(struct slot_fixture *fx, const char *mode, const char *limit)
{
    msp_autofree uint8_t *bytes = NULL;
    struct msp_image image;
    char text[512];

    (void)snprintf(text, sizeof(text),
                   "{\"version\":1,\"endpoints\":{\"imds\":{\"mode\":\"%s\","
                   "\"defaultAccess\":\"allow\",\"id\":\"t\"%s%s}}}",
                   mode, *limit ? ",\"rateLimit\":" : "", limit);
    slot_fixture_compile(text, &bytes, &image);
    slot_fixture_apply(fx, &image);
}

static void fill(struct slot_fixture *fx, struct msp_request *page,
                 uint64_t payer)
{
    memset(page, 0, sizeof(*page));
    page->mark.identity_epoch = slot_fixture_epoch(fx);
    page->mark.payer = payer;
    page->mark.endpoint = MSP_EP_IMDS;
    page->method = MSP_METHOD_GET;
    strcpy(page->path.path, "/metadata/versions");
    page->path_len = sizeof("/metadata/versions");
}

static struct msp_request *ask(struct slot_fixture *fx, uint64_t payer)
{
    struct msp_request *page = slot_fixture_page(fx);

    fill(fx, page, payer);
    slot_fixture_authorize(fx);
    return page;
}

static void expect(struct slot_fixture *fx, uint64_t payer,
                   enum msp_verdict verdict, enum msp_reason reason)
{
    struct msp_request *page = ask(fx, payer);

    assert_int_equal(page->verdict, verdict);
    assert_int_equal(page->reason, reason);
}

static unsigned int n_allowed(struct slot_fixture *fx, uint64_t payer,
                              unsigned int n_asked)
{
    unsigned int n = 0;

    for (unsigned int i = 0; i < n_asked; i++)
        n += ask(fx, payer)->verdict == MSP_VERDICT_ALLOW;
    return n;
}

static int rates_fd(struct slot_fixture *fx)
{
    return msp_loader_map_fd(slot_fixture_loader(fx), "msp_rates");
}

static unsigned int n_rows(struct slot_fixture *fx)
{
    struct msp_rate_key key, next;
    unsigned int n = 0;

    for (void *at = NULL; bpf_map_get_next_key(rates_fd(fx), at, &next) == 0;
         at = &key, n++)
        key = next;
    return n;
}

static uint64_t stat_of(struct slot_fixture *fx, enum msp_stat stat)
{
    uint64_t value = 0;

    assert_ok(msp_events_stat(slot_fixture_loader(fx), stat, &value));
    return value;
}

static uint64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * MSP_RATE_S + (uint64_t)now.tv_nsec;
}

/* Waits for a time, by the clock that the buckets have. */
static void until(uint64_t ns)
{
    struct timespec at = {.tv_sec = (time_t)(ns / MSP_RATE_S),
                          .tv_nsec = (long)(ns % MSP_RATE_S)};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
        ;
}

static void without_a_limit_there_is_no_bucket(void **state)
{
    struct slot_fixture *fx = *state;

    apply(fx, "enforce", "");
    assert_int_equal(n_allowed(fx, PAYER, 100), 100);
    assert_int_equal(n_rows(fx), 0);
}

static void a_payer_has_its_burst_and_then_nothing(void **state)
{
    struct slot_fixture *fx = *state;
    struct msp_request *page;

    apply(fx, "enforce", "{\"requestsPerSecond\":1,\"burst\":5}");
    for (int i = 0; i < 5; i++) {
        expect(fx, PAYER, MSP_VERDICT_ALLOW, MSP_REASON_DEFAULT_ALLOW);
        assert_int_equal(slot_fixture_page(fx)->retry_after_s, 0);
    }
    page = ask(fx, PAYER);
    assert_int_equal(page->verdict, MSP_VERDICT_DENY);
    assert_int_equal(page->reason, MSP_REASON_RATE_LIMITED);
    assert_int_equal(page->retry_after_s, 1);
    assert_int_equal(stat_of(fx, MSP_STAT_RATE_LIMITED), 1);
    /* another one has a bucket of his own */
    assert_int_equal(n_allowed(fx, OTHER, 20), 5);
}

static void a_token_comes_back_in_time(void **state)
{
    struct slot_fixture *fx = *state;
    uint64_t begin;

    apply(fx, "enforce", "{\"requestsPerSecond\":4,\"burst\":1}");
    expect(fx, PAYER, MSP_VERDICT_ALLOW, MSP_REASON_DEFAULT_ALLOW);
    begin = now_ns();
    expect(fx, PAYER, MSP_VERDICT_DENY, MSP_REASON_RATE_LIMITED);
    until(begin + MSP_RATE_S / 4);
    expect(fx, PAYER, MSP_VERDICT_ALLOW, MSP_REASON_DEFAULT_ALLOW);
}

static void who_is_refused_for_another_reason_pays_nothing(void **state)
{
    struct slot_fixture *fx = *state;
    struct msp_request *page = slot_fixture_page(fx);

    apply(fx, "enforce", "{\"requestsPerSecond\":1,\"burst\":1}");
    fill(fx, page, PAYER);
    page->refusal = MSP_REFUSAL_SPELLING;
    slot_fixture_authorize(fx);
    assert_int_equal(page->reason, MSP_REASON_SPELLING);
    fill(fx, page, PAYER);
    page->mark.identity_epoch++;
    slot_fixture_authorize(fx);
    assert_int_equal(page->reason, MSP_REASON_STALE_IDENTITY);
    expect(fx, PAYER, MSP_VERDICT_ALLOW, MSP_REASON_DEFAULT_ALLOW);
    expect(fx, PAYER, MSP_VERDICT_DENY, MSP_REASON_RATE_LIMITED);
}

/* Root of the host, in the agent's own network namespace. */
static void nobody_has_no_bucket(void **state)
{
    struct slot_fixture *fx = *state;

    apply(fx, "enforce", "{\"requestsPerSecond\":1,\"burst\":1}");
    assert_int_equal(n_allowed(fx, 0, 50), 50);
    assert_int_equal(n_rows(fx), 0);
}

static void one_request_pays_once(void **state)
{
    struct slot_fixture *fx = *state;
    struct msp_request *page = slot_fixture_page(fx);

    apply(fx, "enforce", "{\"requestsPerSecond\":1,\"burst\":1}");
    expect(fx, PAYER, MSP_VERDICT_ALLOW, MSP_REASON_DEFAULT_ALLOW);
    fill(fx, page, PAYER);
    page->is_charged = 1;
    slot_fixture_authorize(fx);
    assert_int_equal(page->verdict, MSP_VERDICT_ALLOW);
}

static void in_audit_it_is_recorded_and_not_refused(void **state)
{
    struct slot_fixture *fx = *state;

    apply(fx, "audit", "{\"requestsPerSecond\":1,\"burst\":2}");
    for (int i = 0; i < 2; i++)
        expect(fx, PAYER, MSP_VERDICT_ALLOW, MSP_REASON_DEFAULT_ALLOW);
    expect(fx, PAYER, MSP_VERDICT_AUDIT, MSP_REASON_RATE_LIMITED);
    assert_int_equal(stat_of(fx, MSP_STAT_RATE_LIMITED), 1);
}

static void a_push_leaves_buckets_unless_the_limit_is_another(void **state)
{
    struct slot_fixture *fx = *state;

    apply(fx, "enforce", "{\"requestsPerSecond\":1,\"burst\":3}");
    assert_int_equal(n_allowed(fx, PAYER, 5), 3);
    apply(fx, "enforce", "{\"requestsPerSecond\":1,\"burst\":3}");
    expect(fx, PAYER, MSP_VERDICT_DENY, MSP_REASON_RATE_LIMITED);
    apply(fx, "enforce", "{\"requestsPerSecond\":1,\"burst\":4}");
    assert_int_equal(n_allowed(fx, PAYER, 6), 4);
    apply(fx, "enforce", "{\"requestsPerSecond\":2,\"burst\":4}");
    assert_int_equal(n_allowed(fx, PAYER, 6), 4);
}

static void only_full_buckets_are_taken_away(void **state)
{
    struct slot_fixture *fx = *state;
    struct msp_rate_sweep_ctx counts;
    uint64_t end;

    apply(fx, "enforce", "{\"requestsPerSecond\":5,\"burst\":5}");
    (void)ask(fx, PAYER);
    (void)ask(fx, OTHER);
    end = now_ns() + MSP_RATE_S / 5;
    assert_int_equal(n_allowed(fx, OTHER, 4), 4);
    assert_ok(msp_rates_sweep(slot_fixture_loader(fx), &counts));
    assert_int_equal(counts.n_gone, 0);
    assert_int_equal(counts.n_left, 2);
    until(end); /* one token is back: of PAYER all */
    assert_ok(msp_rates_sweep(slot_fixture_loader(fx), &counts));
    assert_int_equal(counts.n_gone, 1);
    assert_int_equal(counts.n_left, 1);
    assert_int_equal(n_rows(fx), 1);
    /* at most what came back meanwhile, never all of it again */
    assert_true(n_allowed(fx, OTHER, 5) < 5);
    assert_int_equal(n_allowed(fx, PAYER, 5), 5);
}

static void a_full_table_refuses_and_recovers(void **state)
{
    struct slot_fixture *fx = *state;
    struct msp_rate_sweep_ctx counts;
    struct msp_rate full = {.full_ns = now_ns() + 3600 * MSP_RATE_S};
    struct msp_rate_key key = {.endpoint = MSP_EP_IMDS, .limit = {9, 9}};
    int r = 0;

    apply(fx, "enforce", "{\"requestsPerSecond\":1,\"burst\":2}");
    expect(fx, PAYER, MSP_VERDICT_ALLOW, MSP_REASON_DEFAULT_ALLOW);
    for (key.payer = 1000; r == 0; key.payer++)
        r = bpf_map_update_elem(rates_fd(fx), &key, &full, BPF_NOEXIST);
    assert_int_equal(n_rows(fx), MSP_RATES_MAX);
    expect(fx, OTHER, MSP_VERDICT_DENY, MSP_REASON_RATE_NO_ROOM);
    assert_int_equal(stat_of(fx, MSP_STAT_RATE_NO_ROOM), 1);
    /* who has a bucket goes on, and nothing of it was lost */
    expect(fx, PAYER, MSP_VERDICT_ALLOW, MSP_REASON_DEFAULT_ALLOW);
    expect(fx, PAYER, MSP_VERDICT_DENY, MSP_REASON_RATE_LIMITED);
    assert_ok(msp_rates_sweep(slot_fixture_loader(fx), &counts));
    assert_int_equal(counts.n_gone, 0);
    key.payer = 1000;
    full.full_ns = 1;
    assert_ok(bpf_map_update_elem(rates_fd(fx), &key, &full, BPF_EXIST));
    assert_ok(msp_rates_sweep(slot_fixture_loader(fx), &counts));
    assert_int_equal(counts.n_gone, 1);
    expect(fx, OTHER, MSP_VERDICT_ALLOW, MSP_REASON_DEFAULT_ALLOW);
}

/* --- many at once --------------------------------------------------------- */

struct race {
    struct slot_fixture *fx;
    struct msp_request *pages; /* [THREADS] */
    atomic_uint n_allowed;
    atomic_uint n_limited;
    atomic_uint n_else;
    atomic_bool is_over;
};

struct runner {
    struct race *race;
    uint32_t slot;
};

static void *run(void *data)
{
    struct runner *self = data;
    struct race *race = self->race;
    struct msp_request *page = &race->pages[self->slot];
    struct msp_authorize_ctx ctx = {.slot = self->slot};
    LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &ctx,
                .ctx_size_in = sizeof(ctx));
    int fd =
        msp_loader_prog_fd(slot_fixture_loader(race->fx), MSP_PROG_AUTHORIZE);

    for (unsigned int i = 0; i < 2 * BURST / THREADS; i++) {
        fill(race->fx, page, PAYER);
        if (bpf_prog_test_run_opts(fd, &opts) < 0)
            atomic_fetch_add(&race->n_else, 1);
        else if (page->verdict == MSP_VERDICT_ALLOW)
            atomic_fetch_add(&race->n_allowed, 1);
        else if (page->reason == MSP_REASON_RATE_LIMITED)
            atomic_fetch_add(&race->n_limited, 1);
        else
            atomic_fetch_add(&race->n_else, 1);
    }
    return NULL;
}

/* Takes rows away all the time, and puts others' in their place. */
static void *sweep(void *data)
{
    struct race *race = data;
    struct msp_rate_key key = {.endpoint = MSP_EP_IMDS, .limit = {1, 1}};
    struct msp_rate full = {.full_ns = 1};
    struct msp_rate_sweep_ctx counts;

    while (!atomic_load(&race->is_over)) {
        for (key.payer = 1000; key.payer < 1100; key.payer++)
            (void)bpf_map_update_elem(rates_fd(race->fx), &key, &full, BPF_ANY);
        if (msp_rates_sweep(slot_fixture_loader(race->fx), &counts) < 0)
            atomic_fetch_add(&race->n_else, 1);
    }
    return NULL;
}

/* All threads at once, and a sweeper. @return ms it took */
static uint64_t run_race(struct race *race, const char *limit)
{
    struct slot_fixture *fx = race->fx;
    struct runner runner[THREADS];
    pthread_t thread[THREADS], sweeper;
    uint64_t begin;

    apply(fx, "enforce", limit);
    race->pages =
        mmap(NULL, THREADS * sizeof(*race->pages), PROT_READ | PROT_WRITE,
             MAP_SHARED,
             msp_loader_map_fd(slot_fixture_loader(fx), "msp_requests"), 0);
    assert_true(race->pages != MAP_FAILED);
    begin = now_ns();
    assert_int_equal(pthread_create(&sweeper, NULL, sweep, race), 0);
    for (uint32_t i = 0; i < THREADS; i++) {
        runner[i] = (struct runner){race, i};
        assert_int_equal(pthread_create(&thread[i], NULL, run, &runner[i]), 0);
    }
    for (uint32_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    atomic_store(&race->is_over, true);
    assert_int_equal(pthread_join(sweeper, NULL), 0);
    (void)munmap(race->pages, THREADS * sizeof(*race->pages));
    return (now_ns() - begin) / 1000000 + 1;
}

/* As many as there are tokens: none is taken twice, none is lost. */
static void tokens_are_exact_when_many_take_them(void **state)
{
    struct race race = {.fx = *state};
    uint64_t ms;
    char limit[64];

    (void)snprintf(limit, sizeof(limit),
                   "{\"requestsPerSecond\":1,\"burst\":%d}", BURST);
    ms = run_race(&race, limit);
    print_message("%u allowed, %u limited in %llu ms\n", race.n_allowed,
                  race.n_limited, (unsigned long long)ms);
    assert_int_equal(race.n_else, 0);
    assert_in_range(race.n_allowed, BURST, BURST + ms / 1000 + 1);
    assert_int_equal(race.n_allowed + race.n_limited, 2 * BURST);
}

/* Full again after a millisecond: taken away and made anew all the time. */
static void a_bucket_that_comes_and_goes_gives_no_more(void **state)
{
    struct race race = {.fx = *state};
    uint64_t ms = run_race(&race, "{\"requestsPerSecond\":1000,\"burst\":1}");

    print_message("%u allowed, %u limited in %llu ms\n", race.n_allowed,
                  race.n_limited, (unsigned long long)ms);
    assert_int_equal(race.n_else, 0);
    assert_in_range(race.n_allowed, 1, ms + 1);
}

/* Every test begins without a bucket, and with counts of zero. */
static int empty(void **state)
{
    struct slot_fixture *fx = *state;
    int stats = msp_loader_map_fd(slot_fixture_loader(fx), "msp_stats");
    struct msp_rate_key key;
    uint64_t zero = 0;

    while (bpf_map_get_next_key(rates_fd(fx), NULL, &key) == 0)
        assert_ok(bpf_map_delete_elem(rates_fd(fx), &key));
    for (uint32_t stat = 0; stat < MSP_STAT_COUNT; stat++)
        assert_ok(bpf_map_update_elem(stats, &stat, &zero, BPF_ANY));
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(without_a_limit_there_is_no_bucket, empty),
        cmocka_unit_test_setup(a_payer_has_its_burst_and_then_nothing, empty),
        cmocka_unit_test_setup(a_token_comes_back_in_time, empty),
        cmocka_unit_test_setup(who_is_refused_for_another_reason_pays_nothing,
                               empty),
        cmocka_unit_test_setup(nobody_has_no_bucket, empty),
        cmocka_unit_test_setup(one_request_pays_once, empty),
        cmocka_unit_test_setup(in_audit_it_is_recorded_and_not_refused, empty),
        cmocka_unit_test_setup(
            a_push_leaves_buckets_unless_the_limit_is_another, empty),
        cmocka_unit_test_setup(only_full_buckets_are_taken_away, empty),
        cmocka_unit_test_setup(a_full_table_refuses_and_recovers, empty),
        cmocka_unit_test_setup(tokens_are_exact_when_many_take_them, empty),
        cmocka_unit_test_setup(a_bucket_that_comes_and_goes_gives_no_more,
                               empty),
    };

    return cmocka_run_group_tests(tests, slot_fixture_setup,
                                  slot_fixture_teardown);
}
