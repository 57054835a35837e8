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
    uint64_t dropped = 99;
    int n = 0;

    (void)state;
    for (int i = 0; i < MSP_LOG_BURST + 50; i++)
        n += msp_bucket_take(&buckets, 7, 1000, &dropped);
    assert_int_equal(n, MSP_LOG_BURST);
    assert_int_equal(dropped, 0);
    n = 0;
    for (int i = 0; i < 1000; i++)
        n += msp_bucket_take(&buckets, 7, 2000, &dropped);
    assert_int_equal(n, MSP_LOG_LINES_PER_S);
    assert_int_equal(msp_bucket_take(&buckets, 7, 3000, &dropped), 1);
    assert_int_equal(dropped, 1000 - MSP_LOG_LINES_PER_S);
}

static void one_container_does_not_silence_another(void **state)
{
    uint64_t dropped;

    (void)state;
    for (int i = 0; i < 2 * MSP_LOG_BURST; i++)
        (void)msp_bucket_take(&buckets, 1, 1000, &dropped);
    assert_int_equal(msp_bucket_take(&buckets, 1, 1000, &dropped), 0);
    for (uint64_t id = 2; id < 500; id++)
        assert_int_equal(msp_bucket_take(&buckets, id, 1000, &dropped), 1);
}

static void more_containers_than_buckets_still_log(void **state)
{
    uint64_t dropped;

    (void)state;
    for (uint64_t id = 1; id <= 4ull * MSP_BUCKETS; id++)
        assert_int_equal(msp_bucket_take(&buckets, id, id, &dropped), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(
            burst_then_rate_and_the_next_line_counts_the_rest, setup),
        cmocka_unit_test_setup(one_container_does_not_silence_another, setup),
        cmocka_unit_test_setup(more_containers_than_buckets_still_log, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
