/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Token buckets in the kernel: what `authorize` takes from them, by itself and
 * many at once, what a push leaves of them, and who has room for one.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>

#include <bpf/bpf.h>

#include <msp/rate.h>

#include "bpf/slot.h"
#include "harness/test.h"
#include "loader/events.h"
#include "loader/load.h"

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

static void get_row(struct slot_fixture *fx, uint32_t index,
                    struct msp_rates *ret_row)
{
    assert_ok(bpf_map_lookup_elem(rates_fd(fx), &index, ret_row));
}

static void set_row(struct slot_fixture *fx, uint32_t index,
                    const struct msp_rates *row)
{
    assert_ok(bpf_map_update_elem(rates_fd(fx), &index, row, BPF_ANY));
}

/* Ways that are some bucket's, full or not. */
static unsigned int n_used(struct slot_fixture *fx)
{
    struct msp_rates row;
    unsigned int n = 0;

    for (uint32_t i = 0; i < MSP_RATE_ROWS; i++) {
        get_row(fx, i, &row);
        for (unsigned int way = 0; way < MSP_RATE_WAYS; way++)
            n += row.full_ns[way] != 0;
    }
    return n;
}

/* The one way in use. @return index of its row */
static uint32_t find_used(struct slot_fixture *fx, struct msp_rates *ret_row,
                          unsigned int *ret_way)
{
    assert_int_equal(n_used(fx), 1);
    for (uint32_t i = 0; i < MSP_RATE_ROWS; i++) {
        get_row(fx, i, ret_row);
        for (*ret_way = 0; *ret_way < MSP_RATE_WAYS; (*ret_way)++)
            if (ret_row->full_ns[*ret_way])
                return i;
    }
    fail();
    return 0;
}

static uint64_t stat_of(struct slot_fixture *fx, enum msp_stat stat)
{
    uint64_t value = 0;

    assert_ok(msp_events_stat(slot_fixture_loader(fx), stat, &value));
    return value;
}

/* Every test begins without a bucket, and with counts of zero. */
static int empty(void **state)
{
    struct slot_fixture *fx = *state;
    int stats = msp_loader_map_fd(slot_fixture_loader(fx), "msp_stats");
    struct msp_rates none = {0};
    uint64_t zero = 0;

    for (uint32_t i = 0; i < MSP_RATE_ROWS; i++)
        set_row(fx, i, &none);
    for (uint32_t stat = 0; stat < MSP_STAT_COUNT; stat++)
        assert_ok(bpf_map_update_elem(stats, &stat, &zero, BPF_ANY));
    return 0;
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
    assert_int_equal(n_used(fx), 0);
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

static void refuse(struct slot_fixture *fx)
{
    struct msp_request *page = slot_fixture_page(fx);

    fill(fx, page, PAYER);
    page->refusal = MSP_REFUSAL_SPELLING;
    slot_fixture_authorize(fx);
    assert_int_equal(page->verdict, MSP_VERDICT_DENY);
    assert_int_equal(page->reason, MSP_REASON_SPELLING);
}

static void who_is_refused_for_another_reason_pays_too(void **state)
{
    struct slot_fixture *fx = *state;
    struct msp_request *page = slot_fixture_page(fx);

    apply(fx, "enforce", "{\"requestsPerSecond\":1,\"burst\":2}");
    refuse(fx);
    assert_int_equal(page->retry_after_s, 0);
    /* who is to connect anew pays when he has */
    fill(fx, page, PAYER);
    page->mark.identity_epoch++;
    slot_fixture_authorize(fx);
    assert_int_equal(page->reason, MSP_REASON_STALE_IDENTITY);
    expect(fx, PAYER, MSP_VERDICT_ALLOW, MSP_REASON_DEFAULT_ALLOW);
    expect(fx, PAYER, MSP_VERDICT_DENY, MSP_REASON_RATE_LIMITED);
    refuse(fx);
    assert_int_equal(page->retry_after_s, 1);
}

/* Root of the host, in the agent's own network namespace. */
static void nobody_has_no_bucket(void **state)
{
    struct slot_fixture *fx = *state;

    apply(fx, "enforce", "{\"requestsPerSecond\":1,\"burst\":1}");
    assert_int_equal(n_allowed(fx, 0, 50), 50);
    assert_int_equal(n_used(fx), 0);
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

/* So many payers of a kind ask once. @return how many found room */
static unsigned int n_with_room(struct slot_fixture *fx,
                                enum msp_payer_kind kind, unsigned int first,
                                unsigned int n)
{
    unsigned int n_room = 0;

    for (unsigned int i = first; i < first + n; i++)
        n_room +=
            ask(fx, msp_payer_of(kind, i))->reason != MSP_REASON_RATE_NO_ROOM;
    return n_room;
}

/*
 * However many payers of a kind there are, they take only what that kind may
 * have, and better known ones find room. The numbers are far below those at
 * which two choices are not enough.
 */
static void one_kind_leaves_the_others_room(void **state)
{
    enum {
        FLOOD = 12000,
        USERS = 200,
        CONTAINERS = 1200,
        FEW = 200
    };
    struct slot_fixture *fx = *state;
    unsigned int n;

    apply(fx, "enforce", "{\"requestsPerSecond\":1,\"burst\":1000000}");
    n = n_with_room(fx, MSP_PAYER_CGROUP, 1, FLOOD);
    print_message("%u by their cgroups\n", n);
    assert_in_range(n, 4000, FLOOD - 1);
    assert_int_equal(n_with_room(fx, MSP_PAYER_USER, 1, USERS), USERS);
    assert_int_equal(n_with_room(fx, MSP_PAYER_CONTAINER, 1, CONTAINERS),
                     CONTAINERS);
    (void)empty(state);
    n = n_with_room(fx, MSP_PAYER_CGROUP, 1, FLOOD);
    n += n_with_room(fx, MSP_PAYER_USER, 1, FLOOD);
    print_message("%u and users\n", n);
    assert_in_range(n, 5000, 2 * FLOOD - 1);
    assert_int_equal(n_with_room(fx, MSP_PAYER_CONTAINER, 1, FEW), FEW);
}

/* Connections of before and after are one container's, and so is the bucket. */
static void who_is_registered_later_pays_as_the_container(void **state)
{
    struct slot_fixture *fx = *state;
    struct msp_request *page = slot_fixture_page(fx);
    const uint64_t cgroup = 0x700001, top = 0x700000;
    struct msp_ctr_ref ref = {.top = top};
    int tops = msp_loader_map_fd(slot_fixture_loader(fx), "msp_ctr_cgroup");

    apply(fx, "enforce", "{\"requestsPerSecond\":1,\"burst\":4}");
    assert_ok(bpf_map_update_elem(tops, &cgroup, &ref, BPF_NOEXIST));
    assert_int_equal(n_allowed(fx, msp_payer_of(MSP_PAYER_CONTAINER, top), 6),
                     4);
    fill(fx, page, msp_payer_of(MSP_PAYER_CGROUP, cgroup));
    page->mark.cgroup_id = cgroup;
    slot_fixture_authorize(fx);
    assert_ok(bpf_map_delete_elem(tops, &cgroup));
    assert_int_equal(page->verdict, MSP_VERDICT_DENY);
    assert_int_equal(page->reason, MSP_REASON_RATE_LIMITED);
}

/* Who is held up while he gives a way to another bucket. */
static void who_works_at_a_way_holds_nobody_up(void **state)
{
    struct slot_fixture *fx = *state;
    struct msp_rates row;
    unsigned int way;
    uint32_t index;

    apply(fx, "enforce", "{\"requestsPerSecond\":1000,\"burst\":1}");
    expect(fx, PAYER, MSP_VERDICT_ALLOW, MSP_REASON_DEFAULT_ALLOW);
    index = find_used(fx, &row, &way);
    row.full_ns[way] = MSP_RATE_GOES;
    set_row(fx, index, &row);
    expect(fx, PAYER, MSP_VERDICT_ALLOW, MSP_REASON_DEFAULT_ALLOW);
    get_row(fx, index, &row);
    assert_true(row.full_ns[way] == MSP_RATE_GOES);
}

/* Two that began one bucket at once gave it two ways: it lacks the sum. */
static void a_bucket_with_two_ways_is_one(void **state)
{
    struct slot_fixture *fx = *state;
    struct msp_rates row;
    unsigned int way;
    uint32_t index;

    apply(fx, "enforce", "{\"requestsPerSecond\":1,\"burst\":5}");
    assert_int_equal(n_allowed(fx, PAYER, 2), 2);
    index = find_used(fx, &row, &way);
    row.full_ns[way + 1] = row.full_ns[way];
    row.bucket[way + 1] = row.bucket[way];
    set_row(fx, index, &row);
    assert_int_equal(n_allowed(fx, PAYER, 5), 1);
}

/* All rows full of other buckets, until a time. */
static void fill_table(struct slot_fixture *fx, uint64_t full_ns)
{
    struct msp_rates row;

    for (unsigned int way = 0; way < MSP_RATE_WAYS; way++) {
        row.full_ns[way] = full_ns;
        row.bucket[way] = way + 1;
    }
    for (uint32_t i = 0; i < MSP_RATE_ROWS; i++)
        set_row(fx, i, &row);
}

static void a_full_table_refuses_and_recovers(void **state)
{
    struct slot_fixture *fx = *state;
    uint64_t end;

    apply(fx, "enforce", "{\"requestsPerSecond\":1,\"burst\":2}");
    fill_table(fx, now_ns() + 3600 * MSP_RATE_S);
    expect(fx, msp_payer_of(MSP_PAYER_CONTAINER, 1), MSP_VERDICT_DENY,
           MSP_REASON_RATE_NO_ROOM);
    assert_int_equal(stat_of(fx, MSP_STAT_RATE_NO_ROOM), 1);
    /* as soon as the others' are full, without anybody who collects them */
    end = now_ns() + MSP_RATE_S / 5;
    fill_table(fx, end);
    until(end);
    expect(fx, OTHER, MSP_VERDICT_ALLOW, MSP_REASON_DEFAULT_ALLOW);
    assert_int_equal(n_allowed(fx, OTHER, 3), 1);
}

/* --- many at once --------------------------------------------------------- */

struct race {
    struct slot_fixture *fx;
    struct msp_request *pages; /* [THREADS + 1] */
    uint64_t payer;
    atomic_uint n_allowed;
    atomic_uint n_limited;
    atomic_uint n_else;
    atomic_bool is_over;
};

struct runner {
    struct race *race;
    uint32_t slot;
};

/* @return whether there was an answer, in the page of this thread */
static bool ask_at(struct runner *self, uint64_t payer)
{
    struct race *race = self->race;
    struct msp_request *page = &race->pages[self->slot];
    struct msp_authorize_ctx ctx = {.slot = self->slot};
    LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &ctx,
                .ctx_size_in = sizeof(ctx));
    int fd =
        msp_loader_prog_fd(slot_fixture_loader(race->fx), MSP_PROG_AUTHORIZE);

    fill(race->fx, page, payer);
    return bpf_prog_test_run_opts(fd, &opts) == 0 &&
           page->reason != MSP_REASON_RATE_NO_ROOM;
}

static void *run(void *data)
{
    struct runner *self = data;
    struct race *race = self->race;
    struct msp_request *page = &race->pages[self->slot];

    for (unsigned int i = 0; i < 2 * BURST / THREADS; i++) {
        if (!ask_at(self, race->payer))
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

/*
 * Other payers, far fewer than there is room for, who take what ways are free
 * and leave them a moment later, if buckets are full so soon: that of the race
 * then has another way each time it begins.
 */
static void *churn(void *data)
{
    struct runner *self = data;
    struct race *race = self->race;

    for (uint64_t i = 0; !atomic_load(&race->is_over); i++)
        if (!ask_at(self, msp_payer_of(MSP_PAYER_CONTAINER, 1000 + i % 500)))
            atomic_fetch_add(&race->n_else, 1);
    return NULL;
}

/* All threads at once, and the others. @return ns it took */
static uint64_t run_race(struct race *race, const char *limit)
{
    struct slot_fixture *fx = race->fx;
    size_t size = (THREADS + 1) * sizeof(*race->pages);
    struct runner runner[THREADS + 1];
    pthread_t thread[THREADS + 1];
    uint64_t begin;

    apply(fx, "enforce", limit);
    race->payer = msp_payer_of(MSP_PAYER_CONTAINER, PAYER);
    race->pages =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
             msp_loader_map_fd(slot_fixture_loader(fx), "msp_requests"), 0);
    assert_true(race->pages != MAP_FAILED);
    begin = now_ns();
    for (uint32_t i = 0; i <= THREADS; i++) {
        runner[i] = (struct runner){race, i};
        assert_int_equal(pthread_create(&thread[i], NULL,
                                        i == THREADS ? churn : run, &runner[i]),
                         0);
    }
    for (uint32_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    begin = now_ns() - begin;
    atomic_store(&race->is_over, true);
    assert_int_equal(pthread_join(thread[THREADS], NULL), 0);
    (void)munmap(race->pages, size);
    return begin;
}

/* As many as there are tokens: none is taken twice, none is lost. */
static void tokens_are_exact_when_many_take_them(void **state)
{
    struct race race = {.fx = *state};
    uint64_t ns;
    char limit[64];

    (void)snprintf(limit, sizeof(limit),
                   "{\"requestsPerSecond\":20,\"burst\":%d}", BURST);
    ns = run_race(&race, limit);
    print_message("%u allowed, %u limited in %llu us\n", race.n_allowed,
                  race.n_limited, (unsigned long long)ns / 1000);
    assert_int_equal(race.n_else, 0);
    assert_in_range(race.n_allowed, BURST, BURST + 20 * ns / MSP_RATE_S + 1);
    assert_int_equal(race.n_allowed + race.n_limited, 2 * BURST);
}

/* Full again after a moment: it ends and begins all the time. */
static void a_bucket_that_comes_and_goes_gives_no_more(void **state)
{
    static const unsigned int rates[] = {1000, 20000, 200000};

    for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
        struct race race = {.fx = *state};
        uint64_t ns;
        char limit[64];

        (void)snprintf(limit, sizeof(limit),
                       "{\"requestsPerSecond\":%u,\"burst\":1}", rates[i]);
        ns = run_race(&race, limit);
        print_message("%u allowed, %u limited in %llu us\n", race.n_allowed,
                      race.n_limited, (unsigned long long)ns / 1000);
        assert_int_equal(race.n_else, 0);
        assert_in_range(race.n_allowed, 1, rates[i] * ns / MSP_RATE_S + 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(without_a_limit_there_is_no_bucket, empty),
        cmocka_unit_test_setup(a_payer_has_its_burst_and_then_nothing, empty),
        cmocka_unit_test_setup(a_token_comes_back_in_time, empty),
        cmocka_unit_test_setup(who_is_refused_for_another_reason_pays_too,
                               empty),
        cmocka_unit_test_setup(nobody_has_no_bucket, empty),
        cmocka_unit_test_setup(one_request_pays_once, empty),
        cmocka_unit_test_setup(in_audit_it_is_recorded_and_not_refused, empty),
        cmocka_unit_test_setup(
            a_push_leaves_buckets_unless_the_limit_is_another, empty),
        cmocka_unit_test_setup(one_kind_leaves_the_others_room, empty),
        cmocka_unit_test_setup(who_is_registered_later_pays_as_the_container,
                               empty),
        cmocka_unit_test_setup(who_works_at_a_way_holds_nobody_up, empty),
        cmocka_unit_test_setup(a_bucket_with_two_ways_is_one, empty),
        cmocka_unit_test_setup(a_full_table_refuses_and_recovers, empty),
        cmocka_unit_test_setup(tokens_are_exact_when_many_take_them, empty),
        cmocka_unit_test_setup(a_bucket_that_comes_and_goes_gives_no_more,
                               empty),
    };

    return cmocka_run_group_tests(tests, slot_fixture_setup,
                                  slot_fixture_teardown);
}
