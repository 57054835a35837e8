/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The arithmetic of token buckets. */
#include <msp/abi.h>

#include "harness/test.h"

/* Takes as many tokens as there are at one time. */
static unsigned int take_all(const struct msp_rate_limit *limit, uint64_t *full,
                             uint64_t now)
{
    unsigned int n = 0;

    while (msp_rate_wait_ns(limit, *full, now) == 0) {
        *full = msp_rate_taken_ns(limit, *full, now);
        n++;
    }
    return n;
}

static void a_new_bucket_has_its_burst_and_no_more(void **state)
{
    static const struct msp_rate_limit limits[] = {
        {1, 1}, {1, 1000}, {3, 7}, {1000, 1}, {MSP_RATE_MAX, 5}};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
        uint64_t full = 0;

        assert_int_equal(take_all(&limits[i], &full, 5 * MSP_RATE_S),
                         limits[i].burst);
        assert_int_equal(take_all(&limits[i], &full, 5 * MSP_RATE_S), 0);
    }
}

/* Whatever the rate, and however often one asks. */
static void no_more_come_back_than_promised(void **state)
{
    static const uint32_t rates[] = {1, 3, 7, 999, 65537, MSP_RATE_MAX};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
        struct msp_rate_limit limit = {rates[i], 2};
        const uint64_t begin = 7 * MSP_RATE_S;
        uint64_t step = msp_rate_cost_ns(&limit) / 3 + 1, full = 0, n = 0;
        uint64_t now;

        for (now = begin; now < begin + MSP_RATE_S; now += step)
            n += take_all(&limit, &full, now);
        assert_true(n <= rates[i] + limit.burst);
        /* and not many fewer: rounded up by less than 1 ns of 1,000 */
        assert_true(n + rates[i] / 1000 + 1 >= rates[i] + limit.burst);
    }
}

static void a_bucket_never_holds_more_than_its_burst(void **state)
{
    struct msp_rate_limit limit = {10, 4};
    uint64_t full = 0;

    (void)state;
    assert_int_equal(take_all(&limit, &full, MSP_RATE_S), 4);
    assert_int_equal(take_all(&limit, &full, 1000 * MSP_RATE_S), 4);
}

static void the_wait_is_until_there_is_a_token(void **state)
{
    struct msp_rate_limit limit = {3, 2};
    uint64_t now = 11 * MSP_RATE_S, full = 0, wait;

    (void)state;
    assert_int_equal(take_all(&limit, &full, now), 2);
    wait = msp_rate_wait_ns(&limit, full, now);
    assert_int_equal(wait, msp_rate_cost_ns(&limit));
    assert_int_not_equal(msp_rate_wait_ns(&limit, full, now + wait - 1), 0);
    assert_int_equal(msp_rate_wait_ns(&limit, full, now + wait), 0);
}

static void a_client_is_told_whole_seconds_and_at_least_one(void **state)
{
    (void)state;
    assert_int_equal(msp_rate_retry_s(0), 1);
    assert_int_equal(msp_rate_retry_s(1), 1);
    assert_int_equal(msp_rate_retry_s(MSP_RATE_S), 1);
    assert_int_equal(msp_rate_retry_s(MSP_RATE_S + 1), 2);
}

/* A row of zeros divides by nothing. */
static void no_limit_is_no_fault(void **state)
{
    struct msp_rate_limit limit = {0, 0};

    (void)state;
    assert_int_equal(msp_rate_cost_ns(&limit), MSP_RATE_S);
    assert_int_not_equal(msp_rate_wait_ns(&limit, 0, MSP_RATE_S), 0);
}

/* The largest numbers do not wrap. */
static void the_largest_limits_stay_in_range(void **state)
{
    struct msp_rate_limit limit = {1, MSP_RATE_MAX};
    uint64_t now = 100ull * 365 * 86400 * MSP_RATE_S, full;

    (void)state;
    full = now + msp_rate_cost_ns(&limit) * MSP_RATE_MAX;
    assert_int_equal(msp_rate_wait_ns(&limit, full, now), MSP_RATE_S);
    assert_true(msp_rate_taken_ns(&limit, full, now) > full);
    assert_true(full < MSP_RATE_GONE / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_bucket_has_its_burst_and_no_more),
        cmocka_unit_test(no_more_come_back_than_promised),
        cmocka_unit_test(a_bucket_never_holds_more_than_its_burst),
        cmocka_unit_test(the_wait_is_until_there_is_a_token),
        cmocka_unit_test(a_client_is_told_whole_seconds_and_at_least_one),
        cmocka_unit_test(no_limit_is_no_fault),
        cmocka_unit_test(the_largest_limits_stay_in_range),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
