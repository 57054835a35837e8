/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "cli/provision.h"

#include "bench.h"

enum {
    ARGS = 8
};

/* @return the exit code */
static int run(struct bench *b, const char *const *args)
{
    char name[] = MSP_PROVISION_NAME;
    char *argv[ARGS + 1] = {name};
    int argc = 1, r;

    for (; args[argc - 1]; argc++)
        memcpy(&argv[argc], &args[argc - 1], sizeof(char *));
    argv[argc] = NULL;
    r = msp_provision_main(&b->cli, argc, argv);
    bench_flush(b);
    return r;
}

static void exit_code_is_that_of_the_other_agent(void **state)
{
    static const struct {
        const char *answer;
        int exit_code;
        const char *out, *err;
    } cases[] = {
        {"bprovision.finished=true\nsprovision.error=\n\n", 0, "", ""},
        {"bprovision.finished=true\nsprovision.error=a - b\\r\\nc - d\\r\\n\n\n",
         2, "a - b\r\nc - d\r\n", ""},
        {"bprovision.finished=true\nsprovision.error=\\x1b[2J\\r\\n\n\n", 2,
         "\\x1b[2J\r\n", ""},
        {"bprovision.finished=false\nsprovision.error=a - b\\r\\n\n\n", 1, "",
         MSP_PROVISION_NAME ": not ready yet:\na - b\r\n"},
    };

    static const char *const args[] = {"--status", NULL};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct bench b;

        bench_start(&b);
        bench_serve(&b, MSP_CTL_PROVISION, MSP_CTL_OK, cases[i].answer,
                    strlen(cases[i].answer));
        assert_int_equal(run(&b, args), cases[i].exit_code);
        assert_int_equal(b.fake.request.type, MSP_CTL_PROVISION);
        assert_string_equal(b.out, cases[i].out);
        assert_string_equal(b.err, cases[i].err);
        bench_done(&b);
    }
}

static void an_older_mspd_is_no_yes(void **state)
{
    static const char answer[] = "serror=unknown request\n\n";
    static const char *const args[] = {"-s", "-w", "60", NULL};
    struct bench b;

    (void)state;
    bench_start(&b);
    bench_serve(&b, MSP_CTL_PROVISION, MSP_CTL_INVALID, answer,
                sizeof(answer) - 1);
    assert_int_equal(run(&b, args), 1); /* at once */
    assert_says(b.err, "use the one installed with it");
    bench_done(&b);
}

static void no_mspd_is_waited_for_and_said(void **state)
{
    static const char *const once[] = {"--status", NULL};
    static const char *const wait[] = {"--status", "--wait=1", NULL};
    uint64_t began;
    struct bench b;

    (void)state;
    bench_start(&b);
    assert_int_equal(run(&b, once), 1);
    assert_says(b.err, "mspd is not running");
    assert_says(b.err, b.socket);
    assert_string_equal(b.out, "");
    bench_done(&b);
    bench_start(&b);
    began = msp_io_now_ms();
    assert_int_equal(run(&b, wait), 1);
    assert_true(msp_io_now_ms() - began >= 1000);
    assert_says(b.err, "mspd is not running");
    bench_done(&b);
}

static void wrong_command_lines_are_usage(void **state)
{
    static const struct {
        const char *args[ARGS], *says;
    } cases[] = {
        {{NULL}, "answers --status alone"},
        {{"--wait", "5", NULL}, "--wait needs --status"},
        {{"--status", "--wait", NULL}, ": --wait: needs a value\n"},
        {{"--status", "-w", NULL}, ": -w: needs a value\n"},
        {{"--socket", NULL}, ": --socket: needs a value\n"},
        {{"--status", "--wait", "", NULL}, "--wait takes seconds"},
        {{"--status", "--wait", "-1", NULL}, "--wait takes seconds"},
        {{"--status", "--wait", "5s", NULL}, "--wait takes seconds"},
        {{"--status", "--wait", "86401", NULL}, "--wait takes seconds"},
        {{"--status", "console", NULL}, "takes no arguments"},
        {{"--bo\x1bgus", NULL}, ": --bo\\x1bgus: no such option\n"},
        {{"--frob=1", NULL}, ": --frob=1: no such option\n"},
        {{"--status=1", NULL}, ": --status=1: takes no value\n"},
        {{"--status", "-sx", NULL}, ": -x: no such option\n"},
        {{"--status", "-xs", NULL}, ": -x: no such option\n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct bench b;

        bench_start(&b);
        assert_int_equal(run(&b, cases[i].args), 2);
        assert_says(b.err, cases[i].says);
        assert_says(b.err, "--help");
        assert_string_equal(b.out, "");
        bench_done(&b);
    }
}

static void help_and_version_need_no_daemon(void **state)
{
    static const char *const cases[][ARGS] = {
        {"-v", NULL}, {"--version", NULL}, {"-h", NULL}, {"--help", NULL}};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct bench b;

        bench_start(&b);
        assert_int_equal(run(&b, cases[i]), 0);
        assert_string_equal(b.err, "");
        if (i < 2)
            assert_true(b.out[0] >= '0' && b.out[0] <= '9');
        else
            assert_says(b.out, "--wait SECONDS");
        bench_done(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exit_code_is_that_of_the_other_agent),
        cmocka_unit_test(an_older_mspd_is_no_yes),
        cmocka_unit_test(no_mspd_is_waited_for_and_said),
        cmocka_unit_test(wrong_command_lines_are_usage),
        cmocka_unit_test(help_and_version_need_no_daemon),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
