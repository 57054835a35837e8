/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "proxy/tally.h"

#include "harness/test.h"

static void counts_up_and_down(void **state)
{
    static struct msp_tally tally;

    (void)state;
    assert_int_equal(msp_tally_add(&tally, 7), 1);
    assert_int_equal(msp_tally_add(&tally, 7), 2);
    assert_int_equal(msp_tally_add(&tally, 0), 1);
    msp_tally_drop(&tally, 7);
    assert_int_equal(msp_tally_count(&tally, 7), 1);
    msp_tally_drop(&tally, 7);
    msp_tally_drop(&tally, 7);
    msp_tally_drop(&tally, 8);
    assert_int_equal(msp_tally_count(&tally, 7), 0);
    assert_int_equal(msp_tally_count(&tally, 0), 1);
    assert_int_equal(tally.n_used, 1);
}

/* Against a plain array: adds and drops in a fixed pseudo-random order. */
static void agrees_with_a_plain_array(void **state)
{
    enum {
        IDS = 4096,
        ROUNDS = 200000
    };
    static struct msp_tally tally;
    static uint32_t plain[IDS];
    uint64_t seed = 1;
    uint32_t live = 0;

    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        uint32_t id;

        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        id = (uint32_t)(seed >> 40) % IDS;
        if (seed >> 63) {
            assert_int_equal(msp_tally_add(&tally, id), ++plain[id]);
        } else {
            msp_tally_drop(&tally, id);
            if (plain[id])
                plain[id]--;
        }
    }
    for (uint32_t id = 0; id < IDS; id++) {
        assert_int_equal(msp_tally_count(&tally, id), plain[id]);
        live += plain[id] > 0;
    }
    assert_int_equal(tally.n_used, live);
}

static void a_full_table_refuses(void **state)
{
    static struct msp_tally tally;

    (void)state;
    for (uint64_t id = 0; id < MSP_TALLY_ROWS - 1; id++)
        assert_int_equal(msp_tally_add(&tally, id), 1);
    assert_int_equal(msp_tally_add(&tally, 1ull << 40), -1);
    assert_int_equal(msp_tally_add(&tally, 5), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_up_and_down),
        cmocka_unit_test(agrees_with_a_plain_array),
        cmocka_unit_test(a_full_table_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
