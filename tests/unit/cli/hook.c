/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* mspctl oci-hook and oci-runtime as whole verbs. */
// clang-format off
#include "harness/test.h"
// clang-format on
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <msp/limits.h>

#include "bench.h"
#include "cli/oci_runtime.h"

/* Gives the verb `text` as standard input. */
static void give(struct bench *b, const char *text)
{
    FILE *f = fopen(b->file, "we");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_ok(fclose(f));
    b->cli.in = fopen(b->file, "re");
    assert_non_null(b->cli.in);
}

static void hook_done(struct bench *b)
{
    (void)fclose(b->cli.in);
    bench_done(b);
}

#define STOPPED                                                       \
    "{\"ociVersion\":\"1.0.2\",\"id\":\"c1\",\"status\":\"stopped\"," \
    "\"bundle\":\"/b\"}"

/* --- the hook --------------------------------------------------------------- */

static void a_stopped_container_is_removed_by_its_id(void **state)
{
    static const enum msp_ctl_status answers[] = {MSP_CTL_OK, MSP_CTL_REFUSED};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        struct bench b;

        bench_start(&b);
        give(&b, STOPPED);
        b.cli.is_remove = true;
        bench_serve(&b, MSP_CTL_CONTAINER_REMOVE, answers[i], "\n", 1);
        assert_int_equal(msp_cmd_oci_hook(&b.cli), 0);
        bench_flush(&b);
        assert_int_equal(b.fake.request.type, MSP_CTL_CONTAINER_REMOVE);
        assert_string_equal(b.fake.payload, "sid=c1\nbended=true\n\n");
        hook_done(&b);
    }
}

static void removing_without_mspd_is_no_failure(void **state)
{
    struct bench b;

    (void)state;
    bench_start(&b);
    give(&b, STOPPED);
    b.cli.is_remove = b.cli.is_strict = true;
    assert_int_equal(msp_cmd_oci_hook(&b.cli), 0);
    bench_flush(&b);
    hook_done(&b); /* no spool was made */
}

/*
 * fail closed: this process is in the caller's cgroup, as a container's is
 * where the runtime gave it none of its own. Nothing is sent: nobody listens.
 */
static void a_failure_is_said_and_stops_a_start_only_if_strict(void **state)
{
    char same[256];

    const struct {
        const char *text, *says;
    } cases[] = {
        {"", "not the state of an OCI container"},
        {"{\"id\":1}", "not the state of an OCI container"},
        {STOPPED, "has no process"},
        {"{\"ociVersion\":\"1.0\",\"id\":\"c\",\"status\":\"creating\","
         "\"bundle\":\"/b\",\"pid\":2147483647}",
         "it is in no cgroup v2, or gone"},
        {same, "no cgroup v2 of its own"},
    };

    (void)state;
    (void)snprintf(same, sizeof(same),
                   "{\"ociVersion\":\"1.0\",\"id\":\"c\",\"status\":"
                   "\"creating\",\"bundle\":\"/b\",\"pid\":%d}",
                   (int)getpid());
    for (size_t i = 0; i < 2 * ARRAY_SIZE(cases); i++) {
        struct bench b;
        int r;

        bench_start(&b);
        give(&b, cases[i / 2].text);
        b.cli.is_strict = i % 2;
        r = msp_cmd_oci_hook(&b.cli);
        bench_flush(&b);
        if (r != (i % 2 ? MSP_EXIT_USAGE : MSP_EXIT_OK) ||
            !strstr(b.err, cases[i / 2].says))
            fail_msg("case %zu: %d %s", i, r, b.err);
        hook_done(&b);
    }
}

static void too_large_a_state_is_refused(void **state)
{
    struct bench b;

    (void)state;
    bench_start(&b);
    give(&b, "{}");
    assert_ok(truncate(b.file, MSP_OCI_STATE_BYTES + 1));
    b.cli.is_strict = true;
    assert_int_equal(msp_cmd_oci_hook(&b.cli), MSP_EXIT_USAGE);
    bench_flush(&b);
    hook_done(&b);
}

/* A runtime that never closes our input, and has the signal blocked. */
static void it_ends_in_time_whatever_happens(void **state)
{
    (void)state;
    for (int is_strict = 0; is_strict < 2; is_strict++) {
        uint64_t began_ms = msp_io_now_ms();
        int pair[2], status = 0;
        pid_t pid;

        assert_ok(pipe2(pair, O_CLOEXEC));
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            struct msp_cli cli = {.socket = "/nonexistent",
                                  .spool = "/nonexistent/spool",
                                  .is_strict = is_strict,
                                  .in = fdopen(pair[0], "r"),
                                  .out = stdout,
                                  .err = stderr};
            sigset_t all;

            (void)sigfillset(&all);
            (void)sigprocmask(SIG_BLOCK, &all, NULL);
            _exit(msp_cmd_oci_hook(&cli) + 100);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status),
                         is_strict ? MSP_EXIT_NODAEMON : MSP_EXIT_OK);
        assert_in_range(msp_io_now_ms() - began_ms, MSP_HOOK_MS - 100,
                        MSP_HOOK_MS + 20000);
        (void)close(pair[0]);
        (void)close(pair[1]);
    }
}

/* --- the wrapper ------------------------------------------------------------ */

/* Runs the verb in a child. @return what it wrote; free() */
static char *output_of(struct msp_cli *cli, int (*fn)(struct msp_cli *cli),
                       int *ret_exit)
{
    int pair[2], status = 0;
    char *text = NULL;
    size_t len = 0;
    pid_t pid;

    assert_ok(pipe2(pair, O_CLOEXEC));
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)dup2(pair[1], STDOUT_FILENO);
        (void)dup2(pair[1], STDERR_FILENO);
        cli->out = stdout;
        cli->err = stderr;
        _exit(fn(cli));
    }
    (void)close(pair[1]);
    assert_ok(msp_io_slurp(pair[0], 1u << 20, &text, &len));
    (void)close(pair[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    *ret_exit = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return text;
}

static void the_runtime_gets_its_arguments_unchanged(void **state)
{
    struct msp_cli cli = {0};
    msp_autofree char *text = NULL;
    int exit_code = -1;

    (void)state;
    cli.container.runtime = "/usr/bin/printf";
    cli.rest =
        (char *const[]){(char[]){"[%s]"}, (char[]){"--x"}, (char[]){"a b"},
                        (char[]){""},     (char[]){"--"},  NULL};
    cli.n_rest = 5;
    text = output_of(&cli, msp_cmd_oci_runtime, &exit_code);
    assert_int_equal(exit_code, 0);
    assert_string_equal(text, "[--x][a b][][--]");
}

static void what_cannot_be_executed_is_said(void **state)
{
    static const struct {
        const char *path, *says;
    } cases[] = {
        {NULL, "which runtime? --runtime PATH, for example"},
        {"runc", "--runtime runc: not an absolute path"},
        {"/nonexistent",
         "the real runtime /nonexistent cannot be executed: No such file"},
        {"/proc/self/exe", "this is mspctl"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct msp_cli cli = {.rest = (char *const[]){NULL}};
        msp_autofree char *text = NULL;
        int exit_code = -1;

        cli.container.runtime = cases[i].path;
        text = output_of(&cli, msp_cmd_oci_runtime, &exit_code);
        assert_int_equal(exit_code, MSP_EXIT_USAGE);
        if (!strstr(text, cases[i].says))
            fail_msg("case %zu: %s", i, text);
    }
}

/* fail closed: it runs, and without a hook nobody registers it. */
static void without_a_config_it_runs_all_the_same(void **state)
{
    struct msp_cli cli = {
        .socket = MSP_CTL_PATH,
        .spool = MSP_CONTAINER_SPOOL,
        .rest = (char *const[]){(char[]){"create"}, (char[]){"--bundle"},
                                (char[]){"/nonexistent"}, (char[]){"c"}, NULL},
        .n_rest = 4};
    msp_autofree char *text = NULL;
    int exit_code = -1;

    (void)state;
    cli.container.runtime = "/usr/bin/echo";
    text = output_of(&cli, msp_cmd_oci_runtime, &exit_code);
    assert_int_equal(exit_code, 0);
    assert_non_null(strstr(text, "/nonexistent/config.json: No such file"));
    assert_non_null(strstr(text, "starts without rights"));
    assert_non_null(strstr(text, "create --bundle /nonexistent c\n"));
}

static void a_hook_says_what_was_asked_of_the_wrapper(void **state)
{
    msp_autofree char *text = NULL, *config = NULL;
    struct bench b;
    size_t len = 0;
    int fd, exit_code = -1;

    (void)state;
    bench_start(&b);
    (void)snprintf(b.file, sizeof(b.file), "%s/config.json", b.dir);
    bench_write(&b, "{}", 2);
    b.cli.container.runtime = "/usr/bin/true";
    b.cli.manager = "containerd";
    b.cli.rest = (char *const[]){(char[]){"run"}, (char[]){"-b"}, b.dir, NULL};
    b.cli.n_rest = 3;
    text = output_of(&b.cli, msp_cmd_oci_runtime, &exit_code);
    assert_int_equal(exit_code, 0);
    assert_string_equal(text, "");
    fd = open(b.file, O_RDONLY | O_CLOEXEC);
    assert_ok(msp_io_slurp(fd, 1u << 20, &config, &len));
    (void)close(fd);
    assert_non_null(
        strstr(config, "{\"hooks\":{\"createRuntime\":[{\"path\":"));
    assert_non_null(strstr(config, "\"oci-hook\",\"--runtime\",\"containerd\","
                                   "\"--socket\",\""));
    assert_non_null(strstr(config, "\"--remove\"]}]}}"));
    bench_flush(&b);
    bench_done(&b);
}

/* Wherever annotations are read, each is named, and nothing else stops. */
static void a_manager_nobody_knows_is_said(void **state)
{
    static const char says[] =
        " f\\x1boo: not one of containerd, crio, docker, podman";

    (void)state;
    for (int is_known = 0; is_known < 2; is_known++) {
        const char *name = is_known ? "docker" : "f\x1boo";
        msp_autofree char *text = NULL;
        struct bench b;
        int exit_code = -1;

        bench_start(&b);
        b.cli.container.runtime = "/usr/bin/true";
        b.cli.manager = name;
        text = output_of(&b.cli, msp_cmd_oci_runtime, &exit_code);
        assert_int_equal(exit_code, 0);
        assert_int_equal(!strstr(text, says), is_known);
        bench_flush(&b);
        bench_done(&b);

        bench_start(&b);
        give(&b, STOPPED);
        b.cli.is_remove = true;
        b.cli.container.runtime = name;
        assert_int_equal(msp_cmd_oci_hook(&b.cli), 0);
        bench_flush(&b);
        assert_int_equal(!strstr(b.err, says), is_known);
        hook_done(&b);

        bench_start(&b);
        b.cli.container.cgroup = "/a";
        b.cli.container.runtime = name;
        assert_int_equal(msp_cmd_container_set(&b.cli), MSP_EXIT_NODAEMON);
        bench_flush(&b);
        /* it reads no annotations */
        assert_null(strstr(b.err, "not one of"));
        bench_done(&b);
    }
}

/* --- its settings ----------------------------------------------------------- */

static void settings_are_read_from_ones_own_file_only(void **state)
{
    static const struct {
        const char *text;
        const char *runtime, *manager; /* NULL runtime: refused */
        const char *why;
    } cases[] = {
        {"{\"runtime\":\"/r\",\"manager\":\"docker\"}", "/r", "docker", ""},
        {"{\"runtime\":\"/r\"}", "/r", NULL, ""},
        {"", NULL, NULL, "end of file"},
        {"[]", NULL, NULL, "not a JSON object"},
        {"{}", NULL, NULL, "runtime is missing"},
        {"{\"manager\":\"docker\"}", NULL, NULL, "runtime is missing"},
        {"{\"runtime\":\"runc\"}", NULL, NULL,
         "runtime is not an absolute path"},
        {"{\"runtime\":1}", NULL, NULL, "runtime is not an absolute path"},
        {"{\"runtime\":\"/r\",\"runtime\":\"/s\"}", NULL, NULL,
         "duplicate object key"},
        {"{\"runtime\":\"/r\",\"manager\":\"\"}", NULL, NULL,
         "manager is empty"},
        {"{\"runtime\":\"/r\",\"manager\":1}", NULL, NULL,
         "manager is not a string"},
        {"{\"runtime\":\"/r\",\"manger\":\"x\"}", NULL, NULL,
         "\"manger\" is neither runtime nor manager"},
        {"{\"rutime\":\"/r\"}", NULL, NULL,
         "\"rutime\" is neither runtime nor manager"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct msp_oci_settings settings = {0};
        const char *why = NULL;
        struct bench b;
        int r;

        bench_start(&b);
        bench_write(&b, cases[i].text, strlen(cases[i].text));
        assert_ok(chmod(b.file, 0644));
        r = msp_oci_settings_read(b.file, &settings, &why);
        if (r != (cases[i].runtime ? 0 : -EBADMSG))
            fail_msg("case %zu: %d", i, r);
        if (r < 0 && !strstr(why, cases[i].why))
            fail_msg("case %zu: %s", i, why);
        if (r == 0) {
            assert_string_equal(settings.runtime, cases[i].runtime);
            assert_true(!settings.manager == !cases[i].manager);
        }
        msp_oci_settings_done(&settings);
        assert_ok(chmod(b.file, 0664));
        assert_errno(msp_oci_settings_read(b.file, &settings, &why), EPERM);
        bench_flush(&b);
        bench_done(&b);
    }
}

static int as_a_runtime(struct msp_cli *cli)
{
    char *argv[] = {(char[]){MSP_OCI_RUNTIME_NAME}, (char[]){"--json"},
                    (char[]){"state"}, (char[]){"c 1"}, NULL};

    return msp_oci_runtime_main(cli, cli->operand[0], 4, argv);
}

static void under_the_name_of_a_runtime_all_arguments_are_its(void **state)
{
    static const struct {
        const char *conf, *says;
        int exit_code;
    } cases[] = {
        {"{\"runtime\":\"/usr/bin/echo\"}", "--json state c 1\n", 0},
        {"{\"runtime\":\"/nonexistent\"}",
         "the real runtime /nonexistent cannot be executed: No such file",
         MSP_EXIT_USAGE},
        {"{", "near end of file", MSP_EXIT_USAGE},
        {"{\"runtime\":\"/usr/bin/echo\",\"manager\":\"lxc\"}",
         "/file: manager lxc: not one of containerd, crio", 0},
        {NULL,
         "No such file or directory; it names the real runtime: "
         "{\"runtime\": \"/usr/sbin/runc\", \"manager\": \"containerd\"}",
         MSP_EXIT_USAGE},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        msp_autofree char *text = NULL;
        struct bench b;
        int exit_code = -1;

        bench_start(&b);
        if (cases[i].conf)
            bench_write(&b, cases[i].conf, strlen(cases[i].conf));
        text = output_of(&b.cli, as_a_runtime, &exit_code);
        assert_int_equal(exit_code, cases[i].exit_code);
        if (!strstr(text, cases[i].says))
            fail_msg("case %zu: %s", i, text);
        bench_flush(&b);
        bench_done(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stopped_container_is_removed_by_its_id),
        cmocka_unit_test(removing_without_mspd_is_no_failure),
        cmocka_unit_test(a_failure_is_said_and_stops_a_start_only_if_strict),
        cmocka_unit_test(too_large_a_state_is_refused),
        cmocka_unit_test(it_ends_in_time_whatever_happens),
        cmocka_unit_test(the_runtime_gets_its_arguments_unchanged),
        cmocka_unit_test(what_cannot_be_executed_is_said),
        cmocka_unit_test(without_a_config_it_runs_all_the_same),
        cmocka_unit_test(a_hook_says_what_was_asked_of_the_wrapper),
        cmocka_unit_test(a_manager_nobody_knows_is_said),
        cmocka_unit_test(under_the_name_of_a_runtime_all_arguments_are_its),
        cmocka_unit_test(settings_are_read_from_ones_own_file_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
