/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/cgroup.h"

#include "harness/test.h"

static void below_means_whole_segments(void **state)
{
    static const struct {
        const char *path;
        const char *dir;
        bool is_below;
    } rows[] = {
        {"/c/a", "/c/a", true},   {"/c/a/b", "/c/a", true},
        {"/c/ab", "/c/a", false}, {"/c", "/c/a", false},
        {"/c/a/", "/c/a", true},  {"/c/a", "/c/a/", true},
        {"/c/a", "/", true},      {"/d/a", "/c", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (msp_cgroup_is_below(rows[i].path, rows[i].dir) != rows[i].is_below)
            fail_msg("%s below %s", rows[i].path, rows[i].dir);
}

static void finds_the_mount_also_in_a_hybrid_layout(void **state)
{
    static const struct {
        const char *text;
        const char *path; /* NULL = none */
    } rows[] = {
        {"1 0 0:2 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
         "/sys/fs/cgroup"},
        {"1 0 0:1 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
         "2 0 0:2 / /sys/fs/cgroup/unified rw shared:4 - cgroup2 none rw\n",
         "/sys/fs/cgroup/unified"},
        {"1 0 0:2 / /a\\040b\\134 rw - cgroup2 none rw\n", "/a b\\"},
        {"1 0 0:1 / /x rw - cgroup cgroup2 rw\n", NULL},
        {"", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char path[PATH_MAX] = "";
        int r = msp_cgroup_mount(rows[i].text, path);

        if (rows[i].path) {
            assert_ok(r);
            assert_string_equal(path, rows[i].path);
        } else {
            assert_errno(r, ENOENT);
        }
    }
}

static void takes_the_unified_line_only(void **state)
{
    char path[PATH_MAX] = "";

    (void)state;
    assert_ok(msp_cgroup_own("4:memory:/m\n0::/a/b\n", path));
    assert_string_equal(path, "/a/b");
    assert_ok(msp_cgroup_own("0::/", path));
    assert_string_equal(path, "/");
    assert_errno(msp_cgroup_own("10::/a\n4:memory:/0::/\n", path), ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(below_means_whole_segments),
        cmocka_unit_test(finds_the_mount_also_in_a_hybrid_layout),
        cmocka_unit_test(takes_the_unified_line_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
