/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/summary.h"

#include <msp/payer.h>

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

static void add_for(uint64_t payer, uint32_t uid, uint64_t now_ms)
{
    struct msp_summary_key key = key_of(uid);

    msp_summary_add(&summary, payer, &key, now_ms);
}

static uint64_t container(uint64_t id)
{
    return msp_payer_of(MSP_PAYER_CONTAINER, id);
}

/* Each for itself. */
static void add(uint32_t uid, uint64_t now_ms)
{
    add_for(container(1000 + uid), uid, now_ms);
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
    msp_summary_add(&summary, container(1001), &other, 30);
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

/* @return of all rows */
static uint64_t total(uint64_t now_ms)
{
    uint64_t n = 0;

    for (int i = 0; i < MSP_SUMMARY_ROWS; i++)
        n += msp_summary_count(&summary.row[i], now_ms);
    return n;
}

/* @return rows in use, of one kind of payers */
static int rows_of(enum msp_payer_kind kind, uint64_t now_ms)
{
    int n = 0;

    for (int i = 0; i < MSP_SUMMARY_ROWS; i++)
        n += msp_summary_count(&summary.row[i], now_ms) &&
             msp_payer_kind(summary.row[i].payer) == kind;
    return n;
}

/* @return what is counted on the row for the rest */
static uint64_t others(uint64_t now_ms)
{
    uint64_t n = 0;
    int n_rows = 0;

    for (int i = 0; i < MSP_SUMMARY_ROWS; i++)
        if (msp_streq(summary.row[i].key.exe, "other")) {
            n += msp_summary_count(&summary.row[i], now_ms);
            n_rows++;
            assert_string_equal(summary.row[i].key.status, "other");
        }
    assert_in_range(n_rows, 0, 1);
    return n;
}

static void one_payer_cannot_have_all_rows(void **state)
{
    (void)state;
    for (uint32_t uid = 1; uid < 6; uid++)
        add(uid, 100);
    for (uint32_t uid = 100; uid < 1100; uid++)
        add_for(container(7), uid, 200 + uid);
    for (uint32_t uid = 1; uid < 6; uid++)
        assert_int_equal(count(uid, 2000), 1);
    assert_int_equal(others(2000), 1000 - MSP_SUMMARY_PAYER_ROWS);
    assert_int_equal(total(2000), 1005);
    add_for(container(8), 2000, 2000); /* all the same to others */
    assert_int_equal(count(2000, 2000), 1);
    add_for(container(7), 1, 2000); /* what there is is counted */
    assert_int_equal(count(1, 2000), 2);
}

static void what_is_forgotten_is_not_charged(void **state)
{
    const uint64_t later = (MSP_SUMMARY_BUCKETS + 1ull) * QUARTER;

    (void)state;
    for (uint32_t uid = 0; uid < 100; uid++)
        add_for(container(7), uid, 100);
    assert_int_equal(others(100), 100 - MSP_SUMMARY_PAYER_ROWS);
    for (uint32_t uid = 200; uid < 200 + MSP_SUMMARY_PAYER_ROWS; uid++)
        add_for(container(7), uid, later);
    assert_int_equal(others(later), 0);
    assert_int_equal(total(later), MSP_SUMMARY_PAYER_ROWS);
}

static void who_has_most_makes_room(void **state)
{
    (void)state;
    for (uint32_t uid = 0; uid < MSP_SUMMARY_PAYER_ROWS; uid++)
        add_for(container(7), uid, 1000 + uid);
    for (uint32_t uid = MSP_SUMMARY_PAYER_ROWS; uid < MSP_SUMMARY_ROWS; uid++)
        add(uid, 100);
    add(500, 2000);
    assert_int_equal(count(0, 2000), 0);
    assert_int_equal(count(1, 2000), 1);
    for (uint32_t uid = MSP_SUMMARY_PAYER_ROWS; uid < MSP_SUMMARY_ROWS; uid++)
        assert_int_equal(count(uid, 2000), 1);
}

static void many_cgroups_leave_something_to_those_who_are_known(void **state)
{
    (void)state;
    for (uint32_t uid = 0; uid < MSP_SUMMARY_ROWS; uid++)
        add(uid, 100);
    for (uint32_t uid = 1000; uid < 2000; uid++)
        add_for(msp_payer_of(MSP_PAYER_CGROUP, uid), uid, 200);
    assert_in_range(rows_of(MSP_PAYER_CONTAINER, 200), 31, MSP_SUMMARY_ROWS);
    assert_true(rows_of(MSP_PAYER_CGROUP, 200) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(alike_is_counted_together, start),
        cmocka_unit_test_setup(four_hours_are_remembered, start),
        cmocka_unit_test_setup(who_is_quiet_for_longest_makes_room, start),
        cmocka_unit_test_setup(one_payer_cannot_have_all_rows, start),
        cmocka_unit_test_setup(what_is_forgotten_is_not_charged, start),
        cmocka_unit_test_setup(who_has_most_makes_room, start),
        cmocka_unit_test_setup(
            many_cgroups_leave_something_to_those_who_are_known, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
