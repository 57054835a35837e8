/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "base/buf.h"

#include "harness/test.h"

static void grows_up_to_its_cap_and_no_further(void **state)
{
    msp_cleanup(msp_buf_done) struct msp_buf buf = {.max = 1000};
    char block[300];

    (void)state;
    memset(block, 'x', sizeof(block));
    for (int i = 0; i < 3; i++)
        assert_ok(msp_buf_append(&buf, block, sizeof(block)));
    assert_int_equal(buf.len, 900);
    assert_errno(msp_buf_append(&buf, block, 101), E2BIG);
    assert_int_equal(buf.len, 900);
    assert_ok(msp_buf_append(&buf, block, 100));
    assert_errno(msp_buf_reserve(&buf, 1), E2BIG);
    assert_true(buf.cap <= buf.max);
}

static void refuses_a_length_that_would_wrap(void **state)
{
    msp_cleanup(msp_buf_done) struct msp_buf buf = {.max = SIZE_MAX};

    (void)state;
    assert_ok(msp_buf_append(&buf, "a", 1));
    assert_errno(msp_buf_reserve(&buf, SIZE_MAX), E2BIG);
}

static void consume_keeps_what_follows(void **state)
{
    msp_cleanup(msp_buf_done) struct msp_buf buf = {.max = 100};

    (void)state;
    assert_ok(msp_buf_printf(&buf, "%s-%d", "abc", 42));
    msp_buf_consume(&buf, 4);
    assert_int_equal(buf.len, 2);
    assert_memory_equal(buf.data, "42", 2);
    msp_buf_consume(&buf, 99);
    assert_int_equal(buf.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_up_to_its_cap_and_no_further),
        cmocka_unit_test(refuses_a_length_that_would_wrap),
        cmocka_unit_test(consume_keeps_what_follows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
