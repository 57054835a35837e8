/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/summary.h"

#include "harness/test.h"

enum {
    QUARTER = MSP_SUMMARY_BUCKET_MS
};

static struct msp_summary summary;

static struct msp_summary_key key_of(uint32_t uid)
{
    struct msp_summary_key key = {.uid = uid, .port = 80};

    (void)snprintf(key.status, sizeof(key.status), "200 OK");
    return key;
}

static void add(uint32_t uid, uint64_t now_ms)
{
    struct msp_summary_key key = key_of(uid);

    msp_summary_add(&summary, &key, now_ms);
}

/* @return its count; 0 no row has it */
static uint64_t count(uint32_t uid, uint64_t now_ms)
{
    uint64_t n = 0;

    for (int i = 0; i < MSP_SUMMARY_ROWS; i++)
        if (summary.row[i].key.uid == uid)
            n += msp_summary_count(&summary.row[i], now_ms);
    return n;
}

static int start(void **state)
{
    (void)state;
    memset(&summary, 0, sizeof(summary));
    return 0;
}

static void alike_is_counted_together(void **state)
{
    struct msp_summary_key other = key_of(1);

    (void)state;
    add(1, 10);
    add(1, 20);
    add(2, 20);
    (void)snprintf(other.status, sizeof(other.status), "403 Forbidden");
    msp_summary_add(&summary, &other, 30);
    assert_int_equal(count(2, 30), 1);
    assert_int_equal(msp_summary_count(&summary.row[0], 30), 2);
    assert_int_equal(msp_summary_count(&summary.row[2], 30), 1);
    assert_int_equal(msp_summary_count(&summary.row[3], 30), 0);
}

static void four_hours_are_remembered(void **state)
{
    const uint64_t whole = (uint64_t)MSP_SUMMARY_BUCKETS * QUARTER;

    (void)state;
    add(1, 5);
    add(1, QUARTER + 5);
    assert_int_equal(count(1, whole - 1), 2);
    assert_int_equal(count(1, whole), 1);
    assert_int_equal(count(1, whole + QUARTER), 0);
    add(1, whole + QUARTER + 1); /* after a gap */
    assert_int_equal(count(1, whole + QUARTER + 1), 1);
    add(1, 10 * whole);
    assert_int_equal(count(1, 10 * whole), 1);
    assert_int_equal(count(1, 100 * whole), 0);
}

static void who_is_quiet_for_longest_makes_room(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < MSP_SUMMARY_ROWS; i++)
        add(i, 100 + i);
    add(0, 1000); /* 1 is the quiet one */
    add(MSP_SUMMARY_ROWS, 1001);
    assert_int_equal(count(0, 1001), 2);
    assert_int_equal(count(1, 1001), 0);
    assert_int_equal(count(2, 1001), 1);
    assert_int_equal(count(MSP_SUMMARY_ROWS, 1001), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(alike_is_counted_together, start),
        cmocka_unit_test_setup(four_hours_are_remembered, start),
        cmocka_unit_test_setup(who_is_quiet_for_longest_makes_room, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
