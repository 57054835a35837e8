/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Every program loads on this kernel and stays within its instruction budget
 * (budget.txt, one column a kernel). A program without a row, or a kernel
 * without a column, is a failure: the numbers are reviewed like code.
 */
#include "loader/load.h"

#include <sys/utsname.h>
#include <sys/wait.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <msp/abi.h>

#include "harness/test.h"
#include "msp.skel.h"

#define COLUMNS 8

struct budget {
    char program[32];
    unsigned int insns[COLUMNS];
};

static struct msp_bpf *skel;
static const char *budget_path;

/* Column of the running kernel in the header line; -1 = none. */
static int kernel_column(char *header)
{
    struct utsname uts;
    char release[32];
    int major, minor, column = 0;
    char *save = NULL;

    assert_int_equal(uname(&uts), 0);
    assert_int_equal(sscanf(uts.release, "%d.%d", &major, &minor), 2);
    (void)snprintf(release, sizeof(release), "%d.%d", major, minor);
    (void)strtok_r(header, " \n", &save); /* "program" */
    for (char *t; (t = strtok_r(NULL, " \n", &save)); column++)
        if (msp_streq(t, release))
            return column;
    return -1;
}

/* Verified-instruction limit of a program; 0 = no row. */
static unsigned int budget_of(const char *program)
{
    msp_autofclose FILE *f = fopen(budget_path, "re");
    char line[256], name[32];
    unsigned int limit = 0;
    int column = -1;

    assert_non_null(f);
    while (fgets(line, sizeof(line), f)) {
        char *p = line;
        int used = 0;

        if (line[0] == '#' || line[0] == '\n')
            continue;
        if (!strncmp(line, "program", 7)) {
            column = kernel_column(line);
            assert_true(column >= 0);
            continue;
        }
        assert_int_equal(sscanf(p, "%31s%n", name, &used), 1);
        if (!msp_streq(name, program))
            continue;
        p += used;
        for (int i = 0; i <= column; i++) {
            assert_int_equal(sscanf(p, "%u%n", &limit, &used), 1);
            p += used;
        }
        return limit;
    }
    return 0;
}

static void every_program_loads_within_its_budget(void **state)
{
    struct bpf_program *prog;
    int n = 0;

    (void)state;
    bpf_object__for_each_program(prog, skel->obj) {
        const char *name = bpf_program__name(prog);
        struct bpf_prog_info info = {0};
        uint32_t len = sizeof(info);
        unsigned int limit = budget_of(name);

        assert_ok(bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len));
        print_message("%-16s verified %6u budget %6u\n", name,
                      info.verified_insns, limit);
        assert_true(info.verified_insns > 0);
        assert_true(info.verified_insns <= limit);
        n++;
    }
    assert_true(n >= 4);
}

static void every_map_name_is_ours_and_fits(void **state)
{
    struct bpf_map *map;

    (void)state;
    bpf_object__for_each_map(map, skel->obj) {
        const char *name = bpf_map__name(map);

        if (strchr(name, '.'))
            continue; /* data sections of the object */
        assert_int_equal(strncmp(name, "msp_", 4), 0);
        assert_true(strlen(name) <= 15);
    }
}

static void find_root_finds_the_root_of_pid_1(void **state)
{
    struct msp_find_root_ctx ctx = {0};
    LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &ctx,
                .ctx_size_in = sizeof(ctx));

    (void)state;
    assert_ok(bpf_prog_test_run_opts(bpf_program__fd(skel->progs.msp_find_root),
                                     &opts));
    assert_int_equal(ctx.flags, MSP_ROOT_FOUND);
    assert_true(ctx.ino != 0);
}

/* Runs find_root in a child with another root directory; its flags. */
static unsigned int flags_in_chroot(const char *dir)
{
    struct msp_find_root_ctx ctx = {0};
    LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &ctx,
                .ctx_size_in = sizeof(ctx));
    int fd = bpf_program__fd(skel->progs.msp_find_root);
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        if (chroot(dir) < 0 || bpf_prog_test_run_opts(fd, &opts) < 0)
            _exit(255);
        _exit((int)ctx.flags);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return (unsigned int)WEXITSTATUS(status);
}

static void a_caller_with_another_root_is_in_a_container(void **state)
{
    (void)state;
    assert_int_equal(flags_in_chroot("/"), MSP_ROOT_FOUND);
    assert_int_equal(flags_in_chroot("/proc"),
                     MSP_ROOT_FOUND | MSP_ROOT_IN_CONTAINER);
}

static int load(void **state)
{
    (void)state;
    skel = msp_loader_open_object();
    return skel ? msp_bpf__load(skel) : -1;
}

static int unload(void **state)
{
    (void)state;
    msp_bpf__destroy(skel);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_program_loads_within_its_budget),
        cmocka_unit_test(every_map_name_is_ours_and_fits),
        cmocka_unit_test(find_root_finds_the_root_of_pid_1),
        cmocka_unit_test(a_caller_with_another_root_is_in_a_container),
    };

    if (argc != 2)
        return 2;
    budget_path = argv[1];
    return cmocka_run_group_tests(tests, load, unload);
}
