/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Marks on their way and guarded sockets, counted by payer. */
#include <msp/pending.h>

#include "harness/test.h"

static struct msp_pending table[MSP_PENDING_BUCKETS];
static uint64_t seed = 0x0123456789abcdefull;

/* Registered containers, unless a test says otherwise. */
static uint64_t nth(uint64_t number)
{
    return msp_payer_of(MSP_PAYER_CONTAINER, number);
}

static struct msp_pending *bucket_of(uint64_t payer)
{
    return &table[msp_pending_bucket(payer, seed)];
}

static bool add_as(uint64_t payer, enum msp_pending_kind kind)
{
    return msp_pending_add(bucket_of(payer), payer, kind,
                           msp_pending_share(payer, kind, 0));
}

static bool add(uint64_t number)
{
    return add_as(nth(number), MSP_PENDING_MARKS);
}

static bool drop(uint64_t number)
{
    return msp_pending_drop(bucket_of(nth(number)), nth(number),
                            MSP_PENDING_MARKS);
}

static uint64_t sum(void)
{
    uint64_t n = 0;

    for (size_t i = 0; i < MSP_PENDING_BUCKETS; i++)
        for (size_t way = 0; way < MSP_PENDING_WAYS; way++)
            n += table[i].way[way].n[MSP_PENDING_MARKS];
    return n;
}

static int empty(void **state)
{
    (void)state;
    memset(table, 0, sizeof(table));
    return 0;
}

/* The n-th payer that falls into the bucket of number 1. */
static uint64_t neighbour(unsigned int n)
{
    uint64_t number = 1;

    for (; n; n--)
        do
            number++;
        while (bucket_of(nth(number)) != bucket_of(nth(1)));
    return number;
}

/* Twenty times as many as ever fit at once. */
static void payers_of_the_past_take_no_room(void **state)
{
    const uint64_t many = 20ull * MSP_PENDING_BUCKETS * MSP_PENDING_WAYS;

    (void)state;
    for (uint64_t number = 1; number <= many; number++) {
        if (!add(number))
            fail_msg("payer %llu had no room", (unsigned long long)number);
        assert_true(drop(number));
    }
    assert_int_equal(sum(), 0);
}

static void a_payer_has_its_share_and_no_more(void **state)
{
    (void)state;
    for (int i = 0; i < MSP_HANDOFF_PER_PAYER; i++)
        assert_true(add(1));
    assert_false(add(1));
    assert_int_equal(sum(), MSP_HANDOFF_PER_PAYER);
    assert_true(add(neighbour(1))); /* not at the neighbour's cost */
    assert_true(drop(1));
    assert_true(add(1));
    assert_false(add(1));
}

static void a_full_bucket_refuses_until_one_of_its_marks_is_gone(void **state)
{
    (void)state;
    for (unsigned int i = 0; i < MSP_PENDING_WAYS; i++)
        assert_true(add(neighbour(i)));
    assert_false(add(neighbour(MSP_PENDING_WAYS)));
    assert_true(add(neighbour(0))); /* one of those counts on */
    assert_true(drop(neighbour(3)));
    assert_true(add(neighbour(MSP_PENDING_WAYS)));
    assert_int_equal(sum(), MSP_PENDING_WAYS + 1);
}

/* A free way before its own must not give a payer a second one. */
static void a_payer_keeps_its_one_way(void **state)
{
    (void)state;
    assert_true(add(neighbour(0)));
    assert_true(add(neighbour(1)));
    assert_true(drop(neighbour(0)));
    for (int i = 1; i < MSP_HANDOFF_PER_PAYER; i++)
        assert_true(add(neighbour(1)));
    assert_false(add(neighbour(1)));
}

static void no_count_goes_below_nothing(void **state)
{
    (void)state;
    assert_false(drop(1));
    assert_int_equal(sum(), 0);
    assert_true(add(1));
    assert_false(drop(neighbour(1)));
    assert_int_equal(sum(), 1);
    assert_true(drop(1));
    assert_false(drop(1));
    assert_int_equal(sum(), 0);
}

/* As many as there can be, whatever the host has made up. */
static void all_registered_containers_have_room(void **state)
{
    uint64_t was = seed, n_refused = 0;

    (void)state;
    for (int i = 0; i < 8; i++) {
        memset(table, 0, sizeof(table));
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        /* ids of cgroups are numbers in a row */
        for (uint64_t id = 1; id <= MSP_CONTAINERS_MAX; id++)
            n_refused += !add(5000 + id);
    }
    seed = was;
    /* a handful in all, where so many come at once */
    assert_true(n_refused < 8ull * MSP_CONTAINERS_MAX / 1000);
}

static void marks_and_sockets_are_counted_apart(void **state)
{
    (void)state;
    for (int i = 0; i < MSP_HANDOFF_PER_PAYER; i++)
        assert_true(add(1));
    assert_false(add(1));
    for (int i = 0; i < MSP_FD_SOCKS_PER_PAYER; i++)
        assert_true(add_as(nth(1), MSP_PENDING_SOCKS));
    assert_false(add_as(nth(1), MSP_PENDING_SOCKS));
    for (int i = 0; i < MSP_HANDOFF_PER_PAYER; i++)
        assert_true(drop(1));
    assert_false(drop(1));
    assert_false(add_as(nth(1), MSP_PENDING_SOCKS)); /* it has its way yet */
}

/*
 * One who is as many payers as he likes, by cgroups: he gets no way that is
 * kept for others.
 */
static void who_pays_by_cgroup_leaves_ways_for_others(void **state)
{
    uint64_t n = 0;

    (void)state;
    for (uint64_t id = 0; id < 40ull * MSP_PENDING_BUCKETS; id++)
        n += add_as(msp_payer_of(MSP_PAYER_CGROUP, id), MSP_PENDING_MARKS);
    assert_true(n <= (uint64_t)MSP_PENDING_BUCKETS *
                         (MSP_PENDING_WAYS - MSP_PENDING_KNOWN_WAYS));
    assert_true(n > 5ull * MSP_PENDING_BUCKETS);
    for (unsigned int i = 0; i < MSP_PENDING_KNOWN_WAYS; i++)
        assert_true(add(neighbour(i)));
    assert_true(add_as(msp_payer_of(MSP_PAYER_USER, 7), MSP_PENDING_MARKS));
}

/* Those of one bucket, under another number that nobody knows. */
static void nobody_can_choose_whose_bucket_he_is_in(void **state)
{
    unsigned int n_together = 0;
    uint64_t was = seed;

    (void)state;
    for (unsigned int i = 1; i <= 100; i++) {
        uint64_t number = neighbour(i);

        seed = 0x5851f42d4c957f2dull;
        n_together += bucket_of(nth(number)) == bucket_of(nth(1));
        seed = was;
    }
    assert_in_range(n_together, 0, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(payers_of_the_past_take_no_room, empty),
        cmocka_unit_test_setup(a_payer_has_its_share_and_no_more, empty),
        cmocka_unit_test_setup(
            a_full_bucket_refuses_until_one_of_its_marks_is_gone, empty),
        cmocka_unit_test_setup(a_payer_keeps_its_one_way, empty),
        cmocka_unit_test_setup(no_count_goes_below_nothing, empty),
        cmocka_unit_test_setup(all_registered_containers_have_room, empty),
        cmocka_unit_test_setup(marks_and_sockets_are_counted_apart, empty),
        cmocka_unit_test_setup(who_pays_by_cgroup_leaves_ways_for_others,
                               empty),
        cmocka_unit_test_setup(nobody_can_choose_whose_bucket_he_is_in, empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
