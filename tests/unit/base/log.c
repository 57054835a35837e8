/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "base/log.h"

#include <fcntl.h>

#include "harness/test.h"

static int saved_stderr;
static int read_fd;

static int redirect(void **state)
{
    int fd[2];

    (void)state;
    saved_stderr = dup(STDERR_FILENO);
    if (saved_stderr < 0 || pipe2(fd, O_CLOEXEC | O_NONBLOCK) < 0)
        return -1;
    read_fd = fd[0];
    return dup2(fd[1], STDERR_FILENO) < 0 || close(fd[1]) < 0 ? -1 : 0;
}

static int restore(void **state)
{
    (void)state;
    msp_log_set_level(MSP_LOG_INFO);
    (void)dup2(saved_stderr, STDERR_FILENO);
    (void)close(saved_stderr);
    return close(read_fd);
}

static void expect_line(const char *line)
{
    char text[4096];
    ssize_t n = read(read_fd, text, sizeof(text) - 1);

    text[n < 0 ? 0 : n] = '\0';
    assert_string_equal(text, line);
}

static void writes_priority_event_and_quoted_pairs(void **state)
{
    (void)state;
    msp_log(MSP_LOG_WARN, "a.b", "key", "two words", "path", "/x", NULL);
    expect_line("<4>a.b key=\"two words\" path=\"/x\"\n");
}

static void escapes_what_could_forge_a_line(void **state)
{
    (void)state;
    msp_log(MSP_LOG_ERR, "e", "k", "a\n<3>forged \"q\" \\ \x1b\xff", NULL);
    expect_line("<3>e k=\"a\\x0a<3>forged \\\"q\\\" \\\\ \\x1b\\xff\"\n");
}

static void drops_what_is_above_the_level(void **state)
{
    (void)state;
    msp_log_set_level(MSP_LOG_WARN);
    msp_log(MSP_LOG_INFO, "quiet", NULL);
    expect_line("");
    msp_log(MSP_LOG_ERR, "loud", NULL);
    expect_line("<3>loud\n");
}

static void cuts_a_long_value_and_still_ends_the_line(void **state)
{
    char value[5000], text[4096];
    ssize_t n;

    (void)state;
    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    msp_log(MSP_LOG_ERR, "e", "k", value, NULL);
    n = read(read_fd, text, sizeof(text));
    assert_true(n > 1000 && n <= 2048);
    assert_int_equal(text[n - 1], '\n');
}

static void names_the_errno(void **state)
{
    (void)state;
    msp_log_errno(MSP_LOG_INFO, "open.failed", -ENOENT);
    expect_line("<6>open.failed error=\"No such file or directory\"\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(writes_priority_event_and_quoted_pairs,
                                        redirect, restore),
        cmocka_unit_test_setup_teardown(escapes_what_could_forge_a_line,
                                        redirect, restore),
        cmocka_unit_test_setup_teardown(drops_what_is_above_the_level, redirect,
                                        restore),
        cmocka_unit_test_setup_teardown(
            cuts_a_long_value_and_still_ends_the_line, redirect, restore),
        cmocka_unit_test_setup_teardown(names_the_errno, redirect, restore),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
