/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Who pays, and how much of a table one may have. */
#include <msp/payer.h>

#include "harness/test.h"

enum {
    MAX = 16000,
    MOST = 500
};

static uint64_t user(uint64_t id)
{
    return msp_payer_of(MSP_PAYER_USER, id);
}

static uint64_t cgroup(uint64_t id)
{
    return msp_payer_of(MSP_PAYER_CGROUP, id);
}

static uint64_t container(uint64_t id)
{
    return msp_payer_of(MSP_PAYER_CONTAINER, id);
}

static void kinds_with_one_number_are_told_apart(void **state)
{
    (void)state;
    assert_int_equal(msp_payer_of(MSP_PAYER_NOBODY, 0), 0);
    assert_true(user(7) != cgroup(7) && cgroup(7) != container(7));
    assert_int_equal(msp_payer_kind(0), MSP_PAYER_NOBODY);
    assert_int_equal(msp_payer_kind(user(0)), MSP_PAYER_USER);
    assert_int_equal(msp_payer_kind(cgroup(~0ull)), MSP_PAYER_CGROUP);
    assert_int_equal(msp_payer_kind(container(1)), MSP_PAYER_CONTAINER);
}

/*
 * One after the other takes all he may, until nobody gets any.
 * @return entries in use then
 */
static uint32_t take(uint32_t used, uint64_t (*kind)(uint64_t id),
                     uint32_t *ret_payers)
{
    uint32_t has = 1;

    for (*ret_payers = 0; has; (*ret_payers)++) {
        uint64_t payer = kind(*ret_payers);

        for (has = 0; has < msp_payer_share(payer, used, MAX, MOST); used++)
            has++;
    }
    return used;
}

static void one_alone_has_no_more_than_it_may_ever_have(void **state)
{
    (void)state;
    assert_int_equal(msp_payer_share(cgroup(1), 0, MAX, MOST), MOST);
    assert_int_equal(msp_payer_share(user(1), 0, MAX, MOST), MOST);
    assert_int_equal(msp_payer_share(container(1), 0, MAX, MOST), MOST);
    assert_int_equal(msp_payer_share(0, 0, MAX, MOST), MAX);
}

static void it_takes_three_times_as_many_to_take_all(void **state)
{
    uint32_t n, used = take(0, container, &n);

    (void)state;
    assert_int_equal(used, MAX - MAX / MSP_SHARE_ROOT);
    assert_true(n >= 3 * MAX / MOST);
    /* each a little less than those before him */
    assert_int_equal(msp_payer_share(container(1), used - 1, MAX, MOST), 1);
    assert_in_range(msp_payer_share(container(1), MAX * 3 / 4, MAX, MOST),
                    MOST / 4, MOST / 2);
}

static void who_is_not_registered_leaves_a_quarter_to_who_is(void **state)
{
    uint32_t n, used = take(0, cgroup, &n);

    (void)state;
    assert_int_equal(used, MAX - MAX / MSP_SHARE_ROOT - MAX / MSP_SHARE_KNOWN);
    assert_true(msp_payer_share(container(1), used, MAX, MOST) >= MOST / 2);
    assert_true(msp_payer_share(user(1), used, MAX, MOST) >= MOST / 2);
}

static void what_is_for_root_alone_is_left_by_all(void **state)
{
    uint32_t n, used = take(0, cgroup, &n);

    (void)state;
    used = take(take(used, user, &n), container, &n);
    assert_int_equal(used, MAX - MAX / MSP_SHARE_ROOT);
    assert_true(msp_payer_share(0, MAX - 1, MAX, MOST) > MAX - 1);
    assert_int_equal(msp_payer_share(0, MAX, MAX, MOST), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_with_one_number_are_told_apart),
        cmocka_unit_test(one_alone_has_no_more_than_it_may_ever_have),
        cmocka_unit_test(it_takes_three_times_as_many_to_take_all),
        cmocka_unit_test(who_is_not_registered_leaves_a_quarter_to_who_is),
        cmocka_unit_test(what_is_for_root_alone_is_left_by_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
