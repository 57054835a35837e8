/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "base/names.h"

#include <ctype.h>

#include "harness/test.h"

static const char *verdict(int i)
{
    return msp_name_verdict((enum msp_verdict)i);
}

static const char *reason(int i)
{
    return msp_name_reason((enum msp_reason)i);
}

static const char *mode(int i)
{
    return msp_name_mode((enum msp_mode)i);
}

static const char *on_deny(int i)
{
    return msp_name_on_deny((enum msp_on_deny)i);
}

static const char *stage(int i)
{
    return msp_name_stage((enum msp_stage)i);
}

static const char *stat_name(int i)
{
    return msp_name_stat((enum msp_stat)i);
}

static const struct {
    const char *(*name)(int value);
    int count;
} tables[] = {
    {verdict, MSP_VERDICT_COUNT}, {reason, MSP_REASON_COUNT},
    {mode, MSP_MODE_COUNT},       {on_deny, MSP_ON_DENY_COUNT},
    {stage, MSP_STAGE_COUNT},     {stat_name, MSP_STAT_COUNT},
};

static void each_value_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (size_t t = 0; t < ARRAY_SIZE(tables); t++) {
        for (int i = 0; i < tables[t].count; i++) {
            const char *name = tables[t].name(i);

            assert_string_not_equal(name, "unknown");
            for (const char *p = name; *p; p++)
                assert_true(islower((unsigned char)*p) || *p == '-');
            for (int j = 0; j < i; j++)
                assert_string_not_equal(name, tables[t].name(j));
        }
    }
}

static void a_value_outside_the_enum_is_unknown(void **state)
{
    (void)state;
    for (size_t t = 0; t < ARRAY_SIZE(tables); t++) {
        assert_string_equal(tables[t].name(tables[t].count), "unknown");
        assert_string_equal(tables[t].name(-1), "unknown");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_value_has_a_name_of_its_own),
        cmocka_unit_test(a_value_outside_the_enum_is_unknown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
