/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Marks on their way, counted by network namespace. */
#include <msp/pending.h>

#include "harness/test.h"

static struct msp_pending table[MSP_PENDING_BUCKETS];

static struct msp_pending *bucket_of(uint64_t cookie)
{
    return &table[msp_pending_bucket(cookie)];
}

static bool add(uint64_t cookie)
{
    return msp_pending_add(bucket_of(cookie), cookie);
}

static void drop(uint64_t cookie)
{
    msp_pending_drop(bucket_of(cookie), cookie);
}

static uint64_t sum(void)
{
    uint64_t n = 0;

    for (size_t i = 0; i < MSP_PENDING_BUCKETS; i++)
        for (size_t way = 0; way < MSP_PENDING_WAYS; way++)
            n += table[i].n[way];
    return n;
}

static int empty(void **state)
{
    (void)state;
    memset(table, 0, sizeof(table));
    return 0;
}

/* The n-th namespace that falls into the bucket of cookie 1. */
static uint64_t neighbour(unsigned int n)
{
    uint64_t cookie = 1;

    for (; n; n--)
        do
            cookie++;
        while (bucket_of(cookie) != bucket_of(1));
    return cookie;
}

/* Twenty times as many as ever fit at once. */
static void namespaces_of_the_past_take_no_room(void **state)
{
    const uint64_t many = 20ull * MSP_PENDING_BUCKETS * MSP_PENDING_WAYS;

    (void)state;
    for (uint64_t cookie = 1; cookie <= many; cookie++) {
        if (!add(cookie))
            fail_msg("namespace %llu had no room", (unsigned long long)cookie);
        drop(cookie);
    }
    assert_int_equal(sum(), 0);
}

static void a_namespace_has_its_share_and_no_more(void **state)
{
    (void)state;
    for (int i = 0; i < MSP_HANDOFF_PER_NETNS; i++)
        assert_true(add(1));
    assert_false(add(1));
    assert_int_equal(sum(), MSP_HANDOFF_PER_NETNS);
    assert_true(add(neighbour(1))); /* not at the neighbour's cost */
    drop(1);
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
    drop(neighbour(3));
    assert_true(add(neighbour(MSP_PENDING_WAYS)));
    assert_int_equal(sum(), MSP_PENDING_WAYS + 1);
}

/* A free way before its own must not give a namespace a second one. */
static void a_namespace_keeps_its_one_way(void **state)
{
    (void)state;
    assert_true(add(neighbour(0)));
    assert_true(add(neighbour(1)));
    drop(neighbour(0));
    for (int i = 1; i < MSP_HANDOFF_PER_NETNS; i++)
        assert_true(add(neighbour(1)));
    assert_false(add(neighbour(1)));
}

static void no_count_goes_below_nothing(void **state)
{
    (void)state;
    drop(1);
    assert_int_equal(sum(), 0);
    assert_true(add(1));
    drop(neighbour(1));
    assert_int_equal(sum(), 1);
    drop(1);
    drop(1);
    assert_int_equal(sum(), 0);
}

/* Each CPU takes cookies from a block of 4096 of its own. */
static void namespaces_made_on_many_cpus_all_have_room(void **state)
{
    (void)state;
    for (uint64_t cpu = 0; cpu < 64; cpu++)
        for (uint64_t i = 1; i <= MSP_NETNS_MAX / 64; i++)
            assert_true(add(4096 * cpu + i));
    assert_int_equal(sum(), MSP_NETNS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(namespaces_of_the_past_take_no_room, empty),
        cmocka_unit_test_setup(a_namespace_has_its_share_and_no_more, empty),
        cmocka_unit_test_setup(
            a_full_bucket_refuses_until_one_of_its_marks_is_gone, empty),
        cmocka_unit_test_setup(a_namespace_keeps_its_one_way, empty),
        cmocka_unit_test_setup(no_count_goes_below_nothing, empty),
        cmocka_unit_test_setup(namespaces_made_on_many_cpus_all_have_room,
                               empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
