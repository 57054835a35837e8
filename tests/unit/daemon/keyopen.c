/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
// clang-format off
#include "harness/test.h"
// clang-format on
#include "daemon/keyopen.h"

static void names_the_condition_that_fails(void **state)
{
    static const struct {
        mode_t mode;
        uid_t uid;
        const char *says; /* NULL: may be used */
    } cases[] = {
        {S_IFREG | 0600, 0, NULL},      {S_IFREG | 0400, 0, NULL},
        {S_IFREG | 0644, 0, NULL},      {S_IFREG | 0600, 1, "owner"},
        {S_IFREG | 0620, 0, "mode"},    {S_IFREG | 0602, 0, "mode"},
        {S_IFDIR | 0700, 0, "regular"}, {S_IFIFO | 0600, 0, "regular"},
        {S_IFCHR | 0600, 0, "regular"}, {S_IFSOCK | 0600, 0, "regular"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct stat st = {.st_mode = cases[i].mode,
                                .st_uid = cases[i].uid};
        const char *why = msp_keyopen_fault(&st);

        if (!why != !cases[i].says || (why && !strstr(why, cases[i].says)))
            fail_msg("case %zu: %s", i, why ? why : "(none)");
    }
}

static void says_why_a_path_cannot_be_opened(void **state)
{
    bool is_readable = false;
    const char *why = NULL;

    (void)state;
    assert_errno(msp_keyopen("/nonexistent/key", &is_readable, &why), ENOENT);
    assert_string_equal(why, "No such file or directory");
    assert_errno(msp_keyopen("/dev", &is_readable, &why), EPERM);
    assert_non_null(strstr(why, "regular"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_the_condition_that_fails),
        cmocka_unit_test(says_why_a_path_cannot_be_opened),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
