/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/users.h"

#include "harness/test.h"

static char dir[] = "/tmp/msp-users-XXXXXX";

static void write_file(const char *name, const char *text)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    msp_autofclose FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
}

static void append(void *data, const char *name)
{
    (void)strcat(strcat(data, name), " ");
}

static void expect_groups(struct msp_users *users, uint32_t uid,
                          const char *expected)
{
    char text[256] = "";

    msp_users_groups(users, uid, append, text);
    assert_string_equal(text, expected);
}

static void names_are_those_of_the_files(void **state)
{
    struct msp_users users = {.dir = dir};

    (void)state;
    write_file("passwd", "root:x:0:0:root:/root:/bin/sh\n"
                         "broken\n"
                         "bob:x:1000:1000::/:\n"
                         "bobby:x:1001:1000::/:\n");
    write_file("group", "root:x:0:\nadm:x:4:bobby,root\nbob:x:1000:\n"
                        "dev:x:50:alice,bob\nops:x:51:bob,bobby\n");
    assert_string_equal(msp_users_name(&users, 1000), "bob");
    assert_string_equal(msp_users_name(&users, 0), "root");
    assert_string_equal(msp_users_name(&users, 7), "undefined");
    expect_groups(&users, 1000, "bob dev ops ");
    expect_groups(&users, 1001, "bob adm ops ");
    expect_groups(&users, 0, "root adm ");
    expect_groups(&users, 7, "");

    write_file("passwd", "rob:x:1000:1000::/:\n");
    assert_string_equal(msp_users_name(&users, 1000), "bob");
    msp_users_changed(&users);
    assert_string_equal(msp_users_name(&users, 1000), "rob");
    expect_groups(&users, 1000, "bob ");
    msp_users_done(&users);
}

static void without_files_nobody_has_a_name(void **state)
{
    struct msp_users users = {.dir = "/nowhere/at/all"};

    (void)state;
    assert_string_equal(msp_users_name(&users, 0), "undefined");
    expect_groups(&users, 0, "");
    msp_users_done(&users);
}

static int start(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int stop(void **state)
{
    char path[64];

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/passwd", dir);
    (void)unlink(path);
    (void)snprintf(path, sizeof(path), "%s/group", dir);
    (void)unlink(path);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_those_of_the_files),
        cmocka_unit_test(without_files_nobody_has_a_name),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
