/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "loader/lsm.h"

#include "harness/test.h"

static void a_host_without_lsm_is_told_from_one_that_refuses(void **state)
{
    static const struct {
        bool has_hooks;
        const char *list;
        const char *says; /* NULL: it cannot be told */
    } cases[] = {
        {false, NULL, "this kernel has no BPF LSM"},
        {false, "lockdown,bpf", "this kernel has no BPF LSM"},
        {true, NULL, NULL},
        {true, "bpf", NULL},
        {true, "lockdown,capability,bpf\n", NULL},
        {true, "bpf,yama", NULL},
        {true, "lockdown,yama\n", "bpf is not in lsm="},
        {true, "", "bpf is not in lsm="},
        {true, "bpfx,xbpf,bp", "bpf is not in lsm="},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const char *why = msp_lsm_why_absent(cases[i].has_hooks, cases[i].list);

        if (!why != !cases[i].says || (why && !strstr(why, cases[i].says)))
            fail_msg("case %zu: %s", i, why ? why : "(none)");
    }
}

static void the_hosts_reason_comes_before_an_errno(void **state)
{
    const struct msp_lsm_item item = {.error = -EPERM};
    struct msp_lsm lsm = {.absent = NULL};

    (void)state;
    assert_string_equal(msp_lsm_why(&lsm, &item), "Operation not permitted");
    lsm.absent = "this kernel has no BPF LSM";
    assert_string_equal(msp_lsm_why(&lsm, &item), lsm.absent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_without_lsm_is_told_from_one_that_refuses),
        cmocka_unit_test(the_hosts_reason_comes_before_an_errno),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
