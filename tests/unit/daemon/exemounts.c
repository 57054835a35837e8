/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/exemounts.h"

#include "daemon/exewatch.h"
#include "harness/test.h"

#define ROOT  "21 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
#define OPT   "30 21 254:1 / /opt rw - ext4 /dev/vdb rw\n"
#define BIND  "31 21 254:0 /a /opt rw shared:5 - ext4 /dev/vda rw\n"
#define BLANK "32 21 0:45 / /with\\040a\\134b rw - tmpfs tmpfs rw\n"

struct table {
    struct msp_exemount *mount;
    size_t n;
};

static struct table parse(const char *text)
{
    struct table table = {0};
    msp_autofree char *copy = strdup(text);

    assert_ok(msp_exemounts_parse(copy, &table.mount, &table.n));
    return table;
}

static void lines_are_mounts(void **state)
{
    struct msp_exemounts mounts = {0};
    struct table table = parse(ROOT OPT BLANK);

    (void)state;
    assert_int_equal(table.n, 3);
    mounts.mount = table.mount;
    mounts.n = table.n;
    assert_true(msp_exemounts_has(&mounts, msp_exewatch_hash("/")));
    assert_true(msp_exemounts_has(&mounts, msp_exewatch_hash("/opt")));
    assert_true(msp_exemounts_has(&mounts, msp_exewatch_hash("/with a\\b")));
    assert_false(msp_exemounts_has(&mounts, msp_exewatch_hash("/a")));
    free(table.mount);
}

static void what_is_no_table_is_refused(void **state)
{
    char text[] = ROOT "31 21 254:0 /a\n";
    struct table table = {0};

    (void)state;
    assert_errno(msp_exemounts_parse(text, &table.mount, &table.n), EBADMSG);
}

static void points_that_changed_are_found(void **state)
{
    static const struct {
        const char *before, *after, *points[3];
    } cases[] = {
        {ROOT OPT, ROOT OPT, {NULL}},
        {ROOT OPT, OPT ROOT, {NULL}}, /* in any order */
        {ROOT, ROOT OPT, {"/opt"}},
        {ROOT OPT, ROOT, {"/opt"}},
        {ROOT OPT, ROOT BIND, {"/opt"}}, /* once, though two lines did */
        {ROOT OPT, ROOT OPT BIND, {"/opt"}},
        {ROOT OPT, ROOT BLANK, {"/opt", "/with a\\b"}},
        {"", ROOT, {"/"}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct table before = parse(cases[i].before);
        struct table after = parse(cases[i].after);
        uint64_t point[8];
        size_t n = msp_exemounts_compare(before.mount, before.n, after.mount,
                                         after.n, point);
        size_t n_wanted = 0;

        for (; cases[i].points[n_wanted]; n_wanted++) {
            uint64_t wanted = msp_exewatch_hash(cases[i].points[n_wanted]);
            bool is_found = false;

            for (size_t k = 0; k < n; k++)
                is_found = is_found || point[k] == wanted;
            if (!is_found)
                fail_msg("case %zu: no %s", i, cases[i].points[n_wanted]);
        }
        if (n != n_wanted)
            fail_msg("case %zu: %zu points", i, n);
        free(before.mount);
        free(after.mount);
    }
}

static void on_mounts(void *data, const uint64_t *point, size_t n)
{
    (void)data;
    (void)point;
    (void)n;
}

static void our_own_table_can_be_watched(void **state)
{
    struct msp_loop *loop = NULL;
    struct msp_exemounts mounts;

    (void)state;
    assert_ok(msp_loop_new(&loop));
    msp_exemounts_open(&mounts, loop, on_mounts, NULL);
    assert_int_equal(mounts.error, 0);
    assert_true(msp_exemounts_has(&mounts, msp_exewatch_hash("/")));
    msp_exemounts_done(&mounts);
    assert_null(msp_loop_free(loop));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_mounts),
        cmocka_unit_test(what_is_no_table_is_refused),
        cmocka_unit_test(points_that_changed_are_found),
        cmocka_unit_test(our_own_table_can_be_watched),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
