/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/parkq.h"

#include <time.h>

#include <msp/payer.h>

#include "harness/test.h"

static struct msp_park of(uint64_t id, uint64_t cookie)
{
    return (struct msp_park){.payer = msp_payer_of(MSP_PAYER_CGROUP, id),
                             .netns_cookie = cookie};
}

static void push(struct msp_parkq *queue, uint64_t id, uint64_t cookie)
{
    struct msp_park park = of(id, cookie);

    assert_ok(msp_parkq_push(queue, &park));
}

static void expect(struct msp_parkq *queue, uint64_t cookie)
{
    struct msp_park park;

    assert_true(msp_parkq_pop(queue, &park));
    assert_int_equal(park.netns_cookie, cookie);
}

static void one_payer_is_served_in_order(void **state)
{
    struct msp_parkq queue = {0};
    struct msp_park park;

    (void)state;
    assert_false(msp_parkq_pop(&queue, &park));
    for (uint64_t i = 1; i <= 8; i++)
        push(&queue, 7, i);
    assert_int_equal(queue.n, 8);
    for (uint64_t i = 1; i <= 8; i++)
        expect(&queue, i);
    assert_int_equal(queue.n, 0);
    assert_false(msp_parkq_pop(&queue, &park));
}

static void who_asks_for_many_waits_behind_who_asks_for_one(void **state)
{
    /* cookies of payer 1 are 1x, and so on */
    static const uint64_t wanted[] = {10, 20, 30, 11, 21, 12, 22, 13};
    struct msp_parkq queue = {0};

    (void)state;
    for (uint64_t i = 0; i < 4; i++)
        push(&queue, 1, 10 + i);
    for (uint64_t i = 0; i < 3; i++)
        push(&queue, 2, 20 + i);
    push(&queue, 3, 30);
    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
        expect(&queue, wanted[i]);
    assert_int_equal(queue.n, 0);
}

static void who_comes_back_at_once_is_not_served_first(void **state)
{
    struct msp_parkq queue = {0};

    (void)state;
    for (uint64_t i = 0; i < 8; i++)
        push(&queue, 1, 10 + i);
    push(&queue, 2, 20);
    expect(&queue, 10);
    push(&queue, 1, 18);
    expect(&queue, 20);
    expect(&queue, 11);
    msp_parkq_done(&queue);
}

static void a_namespace_is_there_once_with_what_came_last(void **state)
{
    struct msp_parkq queue = {0};
    struct msp_park park = of(1, 10), got;

    (void)state;
    push(&queue, 1, 9);
    assert_ok(msp_parkq_push(&queue, &park));
    park.ticket = 3;
    park.tid = 4711;
    assert_int_equal(msp_parkq_push(&queue, &park), 1);
    assert_int_equal(queue.n, 2);
    expect(&queue, 9);
    assert_true(msp_parkq_pop(&queue, &got));
    assert_int_equal(got.ticket, 3);
    assert_int_equal(got.tid, 4711);
    assert_false(msp_parkq_pop(&queue, &got));
}

/* Registered, or users: they wait behind no crowd of cgroups. */
static void whoever_pays_otherwise_has_every_other_turn(void **state)
{
    struct msp_parkq queue = {0};
    struct msp_park park = {.netns_cookie = 5000,
                            .payer = msp_payer_of(MSP_PAYER_CONTAINER, 1)};

    (void)state;
    for (uint64_t i = 0; i < 1000; i++)
        push(&queue, i, i + 1);
    assert_ok(msp_parkq_push(&queue, &park));
    park.netns_cookie = 5001;
    park.payer = msp_payer_of(MSP_PAYER_USER, 1);
    assert_ok(msp_parkq_push(&queue, &park));
    expect(&queue, 1);
    expect(&queue, 5000);
    expect(&queue, 2);
    expect(&queue, 5001);
    for (uint64_t i = 2; i < 1000; i++)
        expect(&queue, i + 1);
    assert_false(msp_parkq_pop(&queue, &park));
    assert_null(queue.turns[0].first);
}

static uint64_t cpu_ns(void)
{
    struct timespec now;

    assert_ok(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now));
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* @return CPU time of so many that come and go while `waiting` wait */
static uint64_t cost(uint64_t waiting)
{
    enum {
        ROUNDS = 20000
    };

    struct msp_parkq queue = {.seed = 0x5851f42d4c957f2dull};
    struct msp_park park;
    uint64_t start;

    for (uint64_t i = 1; i <= waiting; i++)
        push(&queue, i % 1000, i);
    start = cpu_ns();
    for (uint64_t i = 1; i <= ROUNDS; i++) {
        assert_true(msp_parkq_pop(&queue, &park));
        push(&queue, i % 1000, waiting + i);
    }
    start = cpu_ns() - start;
    msp_parkq_done(&queue);
    return start;
}

/* One that walks along all of them takes thousands of times as long. */
static void however_many_wait_it_takes_no_longer(void **state)
{
    uint64_t few = cost(16), many = cost(MSP_NETNS_MAX - 1);

    (void)state;
    print_message("# 16 wait: %llu us, %d: %llu us\n",
                  (unsigned long long)few / 1000, MSP_NETNS_MAX - 1,
                  (unsigned long long)many / 1000);
    assert_true(many < 50 * few);
}

static void it_is_bounded(void **state)
{
    struct msp_parkq queue = {0};
    struct msp_park park;

    (void)state;
    for (uint64_t i = 0; i < MSP_NETNS_MAX; i++)
        push(&queue, i % 7, i + 1);
    park = of(1, MSP_NETNS_MAX + 1);
    assert_errno(msp_parkq_push(&queue, &park), ENOSPC);
    park = of(1, 5);
    assert_int_equal(msp_parkq_push(&queue, &park), 1);
    msp_parkq_done(&queue);
    assert_int_equal(queue.n, 0);
    assert_false(msp_parkq_pop(&queue, &park));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_payer_is_served_in_order),
        cmocka_unit_test(who_asks_for_many_waits_behind_who_asks_for_one),
        cmocka_unit_test(who_comes_back_at_once_is_not_served_first),
        cmocka_unit_test(a_namespace_is_there_once_with_what_came_last),
        cmocka_unit_test(whoever_pays_otherwise_has_every_other_turn),
        cmocka_unit_test(however_many_wait_it_takes_no_longer),
        cmocka_unit_test(it_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
