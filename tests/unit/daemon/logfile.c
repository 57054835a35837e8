/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/logfile.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "harness/test.h"

#define LINE  "0123456789\n"
#define BYTES (sizeof(LINE) - 1)

static const char *const names[] = {"log", "log.1", "log.2"};

static char path[] = "/tmp/msp-logfile-XXXXXX";
static struct msp_logfile file;

static int setup(void **state)
{
    (void)state;
    (void)strcpy(path, "/tmp/msp-logfile-XXXXXX");
    if (!mkdtemp(path))
        return -1;
    file = (struct msp_logfile){
        .dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
        .name = "log",
        .max_bytes = 3 * BYTES,
        .n_kept = 2,
        .fd = -1,
    };
    return file.dir_fd < 0 ? -1 : msp_logfile_open(&file);
}

static int teardown(void **state)
{
    (void)state;
    msp_logfile_done(&file);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        (void)unlinkat(file.dir_fd, names[i], 0);
    (void)unlinkat(file.dir_fd, "log", AT_REMOVEDIR);
    (void)close(file.dir_fd);
    return rmdir(path);
}

/* Lines in a file of the directory; -1 there is none. */
static long lines_of(const char *name)
{
    struct stat st;

    if (fstatat(file.dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    return (long)((size_t)st.st_size / BYTES);
}

static void add(int n)
{
    for (int i = 0; i < n; i++)
        assert_ok(msp_logfile_add(&file, LINE, BYTES));
}

static void a_full_one_is_kept_beside_a_new_one(void **state)
{
    (void)state;
    add(7);
    assert_int_equal(lines_of("log"), 1);
    assert_int_equal(lines_of("log.1"), 3);
    assert_int_equal(lines_of("log.2"), 3);
    add(3);
    assert_int_equal(lines_of("log"), 1);
    assert_int_equal(lines_of("log.2"), 3);
}

/* What has no name is seen by nobody and would grow for ever. */
static void one_that_was_taken_away_is_made_anew(void **state)
{
    (void)state;
    add(2);
    assert_ok(unlinkat(file.dir_fd, "log", 0));
    add(1); /* it is full */
    assert_int_equal(lines_of("log"), 0);
    add(2);
    assert_int_equal(lines_of("log"), 2);
}

/* Those that are kept do not move while there is none to write to. */
static void one_that_cannot_be_made_is_tried_again(void **state)
{
    (void)state;
    add(3);
    assert_int_equal(lines_of("log.1"), 3);
    add(2);
    assert_ok(unlinkat(file.dir_fd, "log", 0));
    assert_ok(mkdirat(file.dir_fd, "log", 0700));
    /* as after a rotation that could not make the new one */
    msp_logfile_done(&file);
    file.n_bytes = file.max_bytes;
    for (int i = 0; i < 8; i++)
        assert_true(msp_logfile_add(&file, LINE, BYTES) < 0);
    assert_int_equal(lines_of("log.1"), 3);
    assert_ok(unlinkat(file.dir_fd, "log", AT_REMOVEDIR));
    add(1);
    assert_int_equal(lines_of("log"), 1);
    assert_int_equal(lines_of("log.1"), 3);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_full_one_is_kept_beside_a_new_one),
        TEST(one_that_was_taken_away_is_made_anew),
        TEST(one_that_cannot_be_made_is_tried_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
