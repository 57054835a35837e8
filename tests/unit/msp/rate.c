/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The arithmetic of token buckets. */
#include <msp/rate.h>

#include "harness/test.h"

/* @return until there is a token, of a bucket with this word */
static uint64_t wait_of(const struct msp_rate_limit *limit, uint64_t full,
                        uint64_t now)
{
    return msp_rate_wait_ns(limit, full > now ? full - now : 0);
}

/* Takes as many tokens as there are at one time. */
static unsigned int take_all(const struct msp_rate_limit *limit, uint64_t *full,
                             uint64_t now)
{
    unsigned int n = 0;

    while (wait_of(limit, *full, now) == 0) {
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
    wait = wait_of(&limit, full, now);
    assert_int_equal(wait, msp_rate_cost_ns(&limit));
    assert_int_not_equal(wait_of(&limit, full, now + wait - 1), 0);
    assert_int_equal(wait_of(&limit, full, now + wait), 0);
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
    assert_int_not_equal(wait_of(&limit, 0, MSP_RATE_S), 0);
}

/* The largest numbers do not wrap. */
static void the_largest_limits_stay_in_range(void **state)
{
    struct msp_rate_limit limit = {1, MSP_RATE_MAX};
    uint64_t now = 100ull * 365 * 86400 * MSP_RATE_S, full;

    (void)state;
    full = now + msp_rate_cost_ns(&limit) * MSP_RATE_MAX;
    assert_int_equal(wait_of(&limit, full, now), MSP_RATE_S);
    assert_true(msp_rate_taken_ns(&limit, full, now) > full);
    assert_true(full < MSP_RATE_GOES);
}

/* --- the table ------------------------------------------------------------ */

enum {
    NOW = 1000,
    PLACES = 2 * MSP_RATE_WAYS
};

static void a_row_shows_what_it_has_of_a_bucket(void **state)
{
    struct msp_rates row = {
        .full_ns = {NOW + 5, NOW, MSP_RATE_GOES, NOW + 7, NOW + 1, 0},
        .bucket = {9, 9, 9, 9, 8, 8}};
    struct msp_rate_seen seen;

    (void)state;
    msp_rate_look(&row, 9, NOW, &seen);
    assert_int_equal(seen.missing_ns, 12);
    assert_int_equal(seen.ways, 0x0b);
    assert_int_equal(seen.free,
                     ((1u << MSP_RATE_WAYS) - 1) & ~(1u | 4 | 8 | 16));
}

/* Its own way before a free one, then the emptier row, the first of each. */
static void the_way_is_its_own_or_where_there_is_most_room(void **state)
{
    static const struct {
        struct msp_rate_seen seen[2];
        enum msp_payer_kind kind;
        uint32_t way;
    } cases[] = {
        {{{0, 0x10, 0xffef}, {0, 0x01, 0xfffe}}, MSP_PAYER_CONTAINER, 4},
        {{{0, 0, 0xffff}, {0, 0x8000, 0}}, MSP_PAYER_CGROUP, PLACES - 1},
        {{{0, 0, 0x00f0}, {0, 0, 0x0f00}}, MSP_PAYER_CONTAINER, 4},
        {{{0, 0, 0x00f0}, {0, 0, 0x1f00}},
         MSP_PAYER_CONTAINER,
         MSP_RATE_WAYS + 8},
        {{{0, 0, 0x003f}, {0, 0, 0}}, MSP_PAYER_CGROUP, MSP_RATE_NO_WAY},
        {{{0, 0, 0x803f}, {0, 0, 0}}, MSP_PAYER_CGROUP, 15},
        {{{0, 0, 0x0007}, {0, 0, 0}}, MSP_PAYER_USER, MSP_RATE_NO_WAY},
        {{{0, 0, 0x003f}, {0, 0, 0}}, MSP_PAYER_USER, 3},
        {{{0, 0, 0xffff}, {0, 0, 0}}, MSP_PAYER_NOBODY, 6},
        {{{0, 0, 0}, {0, 0, 0}}, MSP_PAYER_CONTAINER, MSP_RATE_NO_WAY},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_int_equal(msp_rate_choose(cases[i].seen, cases[i].kind),
                         cases[i].way);
}

/* No two payers of an endpoint share a bucket, no two endpoints, no limits. */
static void a_bucket_is_of_payer_name_and_limit(void **state)
{
    static const struct msp_rate_limit limits[] = {{5, 9}, {9, 5}, {5, 10}};
    _Alignas(8) static const char names[][MSP_ENDPOINT_NAME_BYTES] = {
        "imds", "wireserver", "b", "wireserver-with-a-longer-name1",
        "wireserver-with-a-longer-name2"};
    uint64_t seen[2 * ARRAY_SIZE(limits) * ARRAY_SIZE(names)];
    size_t n = 0;

    (void)state;
    for (size_t name = 0; name < ARRAY_SIZE(names); name++)
        for (size_t limit = 0; limit < ARRAY_SIZE(limits); limit++)
            for (uint64_t payer = 1; payer <= 2; payer++)
                seen[n++] = msp_rate_bucket(payer, names[name], &limits[limit]);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            assert_true(seen[i] != seen[j]);
}

static void a_bucket_has_two_rows_that_differ(void **state)
{
    uint32_t row[2];

    (void)state;
    for (uint64_t bucket = 0; bucket < 100000; bucket++) {
        msp_rate_rows(bucket, 0x123456789abcdefull, row);
        assert_true(row[0] < MSP_RATE_ROWS && row[1] < MSP_RATE_ROWS);
        assert_int_not_equal(row[0], row[1]);
    }
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
        cmocka_unit_test(a_row_shows_what_it_has_of_a_bucket),
        cmocka_unit_test(the_way_is_its_own_or_where_there_is_most_room),
        cmocka_unit_test(a_bucket_is_of_payer_name_and_limit),
        cmocka_unit_test(a_bucket_has_two_rows_that_differ),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
