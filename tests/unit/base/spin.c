/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "base/spin.h"

#include "harness/test.h"

#define SHORT 100
#define LONG  10000

static void never_unless_it_is_asked_for(void **state)
{
    struct msp_spin spin = {0};

    (void)state;
    for (int i = 0; i < 10; i++) {
        assert_false(msp_spin_is_due(&spin));
        msp_spin_waited(&spin, 0);
    }
}

static void after_a_short_wait_and_not_after_a_long_one(void **state)
{
    struct msp_spin spin = {.max_ns = 1000};

    (void)state;
    assert_false(msp_spin_is_due(&spin)); /* nothing is known */
    msp_spin_waited(&spin, SHORT);
    assert_true(msp_spin_is_due(&spin));
    msp_spin_looked(&spin, true);
    msp_spin_waited(&spin, SHORT);
    assert_true(msp_spin_is_due(&spin));
    msp_spin_looked(&spin, false);
    msp_spin_waited(&spin, LONG);
    for (int i = 0; i < 10000; i++) {
        assert_false(msp_spin_is_due(&spin));
        msp_spin_waited(&spin, LONG);
    }
}

/* Being woken takes long: a short wait looks four times as long to a sleeper. */
static void one_long_wait_is_not_followed_by_many(void **state)
{
    struct msp_spin spin = {.max_ns = 1000};

    (void)state;
    msp_spin_waited(&spin, LONG);
    assert_false(msp_spin_is_due(&spin));
    msp_spin_waited(&spin, 3999); /* slept through */
    assert_true(msp_spin_is_due(&spin));
    msp_spin_waited(&spin, 4000);
    assert_false(msp_spin_is_due(&spin));
}

/* @return looks in so many waits that are short and found by sleeping only */
static int failed_looks(struct msp_spin *spin, int n)
{
    int looks = 0;

    for (int i = 0; i < n; i++) {
        if (msp_spin_is_due(spin)) {
            looks++;
            msp_spin_looked(spin, false);
        }
        msp_spin_waited(spin, SHORT);
    }
    return looks;
}

static void where_looking_finds_nothing_less_and_less(void **state)
{
    struct msp_spin spin = {.max_ns = 1000};

    (void)state;
    msp_spin_waited(&spin, SHORT);
    /* 2 + 4 + ... + 1,024 waits are slept through between the first eleven */
    assert_int_equal(failed_looks(&spin, 11 + 2046), 11);
    assert_in_range(failed_looks(&spin, 102400), 99, 101);
}

static void one_that_finds_something_makes_good(void **state)
{
    struct msp_spin spin = {.max_ns = 1000};
    int i = 0;

    (void)state;
    msp_spin_waited(&spin, SHORT);
    assert_true(failed_looks(&spin, 100000) > 0);
    while (!msp_spin_is_due(&spin)) {
        msp_spin_waited(&spin, SHORT);
        assert_true(++i <= 1024);
    }
    msp_spin_looked(&spin, true);
    msp_spin_waited(&spin, SHORT);
    for (i = 0; i < 100; i++) {
        assert_true(msp_spin_is_due(&spin));
        msp_spin_looked(&spin, true);
        msp_spin_waited(&spin, SHORT);
    }
    assert_int_equal(failed_looks(&spin, 3), 1); /* and two are slept */
    assert_int_equal(failed_looks(&spin, 1), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(never_unless_it_is_asked_for),
        cmocka_unit_test(after_a_short_wait_and_not_after_a_long_one),
        cmocka_unit_test(one_long_wait_is_not_followed_by_many),
        cmocka_unit_test(where_looking_finds_nothing_less_and_less),
        cmocka_unit_test(one_that_finds_something_makes_good),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
