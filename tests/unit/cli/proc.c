/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* /proc: the cgroup of a process, and where cgroups are mounted. */
// clang-format off
#include "harness/test.h"
// clang-format on
#include "cli/proc.h"

static void the_unified_line_counts(void **state)
{
    static const struct {
        const char *text;
        int r;
        const char *path;
    } cases[] = {
        {"0::/a/b\n", 0, "/a/b"},
        {"0::/\n", 0, "/"},
        {"0::/a", 0, "/a"},
        {"12:pids:/v1\n1:name=systemd:/s\n0::/a b\n", 0, "/a b"},
        {"1:name=x:/\n0::/kubepods/pod1/c1\n", 0, "/kubepods/pod1/c1"},
        {"10::/x\n00::/x\n", -ENOENT, NULL},
        {"", -ENOENT, NULL},
        {"1:pids:/v1\n", -ENOENT, NULL},
        {"0::/a (deleted)\n", -ESTALE, NULL},
        {"0::/../b\n", -EXDEV, NULL},
        {"0::/..\n", -EXDEV, NULL},
        {"0::/..b\n", 0, "/..b"},
        {"0::\n", -EBADMSG, NULL},
        {"0::a\n", -EBADMSG, NULL},
        {"0::/a//b\n", -EBADMSG, NULL},
        {"0::/a/../../b\n", -EBADMSG, NULL},
        {"0::/a/\n", -EBADMSG, NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        msp_autofree char *text = strdup(cases[i].text);
        const char *path = NULL;
        int r;

        assert_non_null(text);
        r = msp_proc_cgroup_parse(text, strlen(text), &path);
        if (r != cases[i].r)
            fail_msg("%s: %d", cases[i].text, r);
        if (r == 0)
            assert_string_equal(path, cases[i].path);
    }
}

static void a_nul_in_it_is_no_path(void **state)
{
    char text[] = "1:x:/\n\0000::/a\n";
    const char *path = NULL;

    (void)state;
    assert_errno(msp_proc_cgroup_parse(text, sizeof(text) - 1, &path), EBADMSG);
}

static void the_whole_hierarchy_is_where_its_root_is_mounted(void **state)
{
    static const struct {
        const char *text, *mount;
    } cases[] = {
        {"", NULL},
        {"36 35 0:32 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 "
         "rw\n",
         "/sys/fs/cgroup"},
        {"1 2 0:3 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
         "36 35 0:32 / /sys/fs/cgroup/unified rw - cgroup2 none rw\n",
         "/sys/fs/cgroup/unified"},
        /* a part of it, bound into a container */
        {"36 35 0:32 /a /run/x rw - cgroup2 cgroup2 rw\n"
         "37 35 0:32 / /mnt/c\\040g rw shared:1 master:2 - cgroup2 x rw\n",
         "/mnt/c g"},
        {"36 35 0:32 / /cgroup2 rw - tmpfs cgroup2 rw\n", NULL},
        {"36 35 0:32 / - cgroup2 cgroup2 rw\n", NULL},
        {"- cgroup2 \n", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        msp_autofree char *text = strdup(cases[i].text);
        char *cursor = text;
        const char *mount;

        assert_non_null(text);
        mount = msp_proc_cgroup_mount_parse(&cursor);
        if (!mount != !cases[i].mount)
            fail_msg("case %zu: %s", i, mount ? mount : "none");
        if (mount)
            assert_string_equal(mount, cases[i].mount);
    }
}

static void each_mount_is_told(void **state)
{
    char text[] = "1 2 0:32 / /hidden rw - cgroup2 x rw\n"
                  "3 4 0:5 / /tmp rw - tmpfs x rw\n"
                  "5 6 0:32 / /seen rw - cgroup2 x rw\n";
    char *cursor = text;

    (void)state;
    assert_string_equal(msp_proc_cgroup_mount_parse(&cursor), "/hidden");
    assert_string_equal(msp_proc_cgroup_mount_parse(&cursor), "/seen");
    assert_null(msp_proc_cgroup_mount_parse(&cursor));
}

/* Of this process: whatever they are, they can be read. */
static void the_callers_own_are_found(void **state)
{
    char own[PATH_MAX], by_pid[PATH_MAX];
    uint64_t id = 0;
    int r = msp_proc_cgroup(0, own);

    (void)state;
    if (r == -ENOENT)
        skip(); /* no cgroup v2 at all */
    assert_ok(r);
    assert_ok(msp_proc_cgroup((uint32_t)getpid(), by_pid));
    assert_string_equal(own, by_pid);
    r = msp_proc_cgroup_id(own, &id);
    if (r != -ENOENT) { /* not mounted here */
        assert_ok(r);
        assert_true(id != 0);
    }
    assert_errno(msp_proc_cgroup_id("/nonexistent-cgroup", &id), ENOENT);
    assert_errno(msp_proc_cgroup(INT32_MAX, own), ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_unified_line_counts),
        cmocka_unit_test(a_nul_in_it_is_no_path),
        cmocka_unit_test(the_whole_hierarchy_is_where_its_root_is_mounted),
        cmocka_unit_test(each_mount_is_told),
        cmocka_unit_test(the_callers_own_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
