/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/bucket.h"

#include <msp/limits.h>

#include "harness/test.h"

static struct msp_buckets buckets;

static int setup(void **state)
{
    (void)state;
    memset(&buckets, 0, sizeof(buckets));
    return 0;
}

static void burst_then_rate_and_the_next_line_counts_the_rest(void **state)
{
    struct msp_dropped dropped = {99, 99};
    int n = 0;

    (void)state;
    for (int i = 0; i < MSP_LOG_BURST + 50; i++)
        n += msp_bucket_take(&buckets, 7, 1000, &dropped);
    assert_int_equal(n, MSP_LOG_BURST);
    assert_int_equal(dropped.n, 0);
    n = 0;
    for (int i = 0; i < 1000; i++)
        n += msp_bucket_take(&buckets, 7, 2000, &dropped);
    assert_int_equal(n, MSP_LOG_LINES_PER_S);
    assert_int_equal(msp_bucket_take(&buckets, 7, 3000, &dropped), 1);
    assert_int_equal(dropped.n, 1000 - MSP_LOG_LINES_PER_S);
}

static void one_container_does_not_silence_another(void **state)
{
    struct msp_dropped dropped;

    (void)state;
    for (int i = 0; i < 2 * MSP_LOG_BURST; i++)
        (void)msp_bucket_take(&buckets, 1, 1000, &dropped);
    assert_int_equal(msp_bucket_take(&buckets, 1, 1000, &dropped), 0);
    for (uint64_t id = 2; id < 500; id++)
        assert_int_equal(msp_bucket_take(&buckets, id, 1000, &dropped), 1);
}

static void more_containers_than_buckets_still_log(void **state)
{
    struct msp_dropped dropped;

    (void)state;
    for (uint64_t id = 1; id <= 4ull * MSP_BUCKETS; id++)
        assert_int_equal(msp_bucket_take(&buckets, id, id, &dropped), 1);
}

static unsigned int take_many(enum msp_payer_kind kind, uint64_t now_ms)
{
    struct msp_dropped dropped;
    unsigned int n = 0;

    /* each has lines left of its own */
    for (uint64_t i = 0; i < 2ull * MSP_LOG_ALL_BURST; i++)
        n += msp_bucket_take(&buckets,
                             msp_payer_of(kind, 1 + i / (MSP_LOG_BURST / 2)),
                             now_ms, &dropped);
    return n;
}

static void all_together_have_a_burst_and_a_rate(void **state)
{
    unsigned int n;

    (void)state;
    /* kept back for others by kind, the last of it for root */
    n = take_many(MSP_PAYER_CGROUP, 1000);
    assert_in_range(n, MSP_LOG_ALL_BURST / 2, MSP_LOG_ALL_BURST * 3 / 4);
    n += take_many(MSP_PAYER_CONTAINER, 1000);
    assert_int_equal(n, MSP_LOG_ALL_BURST - MSP_LOG_ALL_BURST / MSP_SHARE_ROOT);
    n += take_many(MSP_PAYER_NOBODY, 1000);
    assert_int_equal(n, MSP_LOG_ALL_BURST);
    assert_int_equal(take_many(MSP_PAYER_NOBODY, 2000), MSP_LOG_ALL_PER_S);
}

static void what_a_bucket_lost_is_told_when_it_has_gone(void **state)
{
    struct msp_dropped dropped = {0};
    uint64_t n_gone = 0;

    (void)state;
    for (int i = 0; i < MSP_LOG_BURST + 50; i++)
        (void)msp_bucket_take(&buckets, 7, 1000, &dropped);
    for (uint64_t id = 100; id < 100 + 4ull * MSP_BUCKETS; id++) {
        assert_int_equal(msp_bucket_take(&buckets, id, 2000 + id, &dropped), 1);
        assert_int_equal(dropped.n, 0);
        n_gone += dropped.n_gone;
    }
    assert_int_equal(n_gone, 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(
            burst_then_rate_and_the_next_line_counts_the_rest, setup),
        cmocka_unit_test_setup(one_container_does_not_silence_another, setup),
        cmocka_unit_test_setup(more_containers_than_buckets_still_log, setup),
        cmocka_unit_test_setup(all_together_have_a_burst_and_a_rate, setup),
        cmocka_unit_test_setup(what_a_bucket_lost_is_told_when_it_has_gone,
                               setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
