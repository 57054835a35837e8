/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Files in containers: which are asked for, what is known, what is said. */
#include "daemon/ctrexes.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>

#include <msp/cleanup.h>

#include "harness/test.h"

/* Identity 0: /bin/a in containers named a; 1: /bin/b in those named b; 2: any
 * caller. */
static const char strings[] = "\0a\0b\0/bin/a\0/bin/b";
static const struct msp_image_exe exes[] = {{5, MSP_EXE_INSIDE},
                                            {12, MSP_EXE_INSIDE}};
static const struct msp_image_demand demands[] = {
    {MSP_DEMAND_CONTAINER_NAME, 0, 1}, {MSP_DEMAND_CONTAINER_NAME, 0, 3}};
static const struct msp_image_identity identities[] = {
    {.flags = MSP_ID_EXE | MSP_ID_CONTAINER, .exe = 0, .n_demands = 1},
    {.flags = MSP_ID_EXE | MSP_ID_CONTAINER,
     .exe = 1,
     .first_demand = 1,
     .n_demands = 1},
    {.flags = MSP_ID_UID},
};
static const struct msp_image image = {
    .strings = strings,
    .identities = identities,
    .exes = exes,
    .demands = demands,
    .n = {[MSP_SEC_STRINGS] = sizeof(strings),
          [MSP_SEC_IDENTITIES] = ARRAY_SIZE(identities),
          [MSP_SEC_EXES] = ARRAY_SIZE(exes),
          [MSP_SEC_DEMANDS] = ARRAY_SIZE(demands)},
};

static bool is_out_of_memory;

/* In the place of the C library's, whose parameter has a name of its own. */
/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
char *strdup(const char *text)
{
    size_t len = strlen(text) + 1;
    char *copy = is_out_of_memory ? NULL : malloc(len);

    return copy ? memcpy(copy, text, len) : NULL;
}

/* mspd-netns and the kernel, played. */
struct bench {
    struct msp_loop *loop;
    struct msp_ctrexes exes;
    struct msp_ctr_match match;
    struct msp_containers containers;
    struct msp_container_entry *entry[2];
    struct msp_container_entry room[2];
    char asked[256]; /* "root or pid path" of the last one */
    int n_asked;
    int answer;
    struct msp_file_fact fact;
    bool is_silent;
    msp_open_fn fn;
    void *fn_data;
    int n_changed;
    int stop_at; /* changes, or questions if negative */
};

static void maybe_stop(struct bench *bench)
{
    if (bench->stop_at > 0 ? bench->n_changed >= bench->stop_at
                           : bench->n_asked >= -bench->stop_at)
        msp_loop_quit(bench->loop, 0);
}

static void answer(struct bench *bench)
{
    bench->fn(bench->fn_data, bench->answer,
              bench->answer < 0 ? -1 : open("/dev/null", O_PATH | O_CLOEXEC),
              NULL);
}

static int open_file(void *data, const char *root, uint32_t pid,
                     const char *path, msp_open_fn fn, void *fn_data)
{
    struct bench *bench = data;

    if (root)
        (void)snprintf(bench->asked, sizeof(bench->asked), "%s %s", root, path);
    else
        (void)snprintf(bench->asked, sizeof(bench->asked), "%u %s", pid, path);
    bench->n_asked++;
    bench->fn = fn;
    bench->fn_data = fn_data;
    if (bench->is_silent)
        maybe_stop(bench);
    return 0;
}

static int fact_of(void *data, int fd, struct msp_file_fact *ret)
{
    const struct bench *bench = data;

    assert_true(fd >= 0);
    *ret = bench->fact;
    return 0;
}

static void changed(void *data)
{
    struct bench *bench = data;

    bench->n_changed++;
    maybe_stop(bench);
}

static const struct msp_ctrexes_ops ops = {open_file, fact_of, changed};

static void add_container(struct bench *bench, size_t i, uint64_t id,
                          const char *fields)
{
    const char *why = "";

    bench->entry[i] = &bench->room[i];
    bench->room[i].id = id;
    assert_ok(msp_ctr_record_parse(fields, strlen(fields),
                                   &bench->room[i].record, &why));
    bench->containers.entry = bench->entry;
    bench->containers.n = i + 1;
}

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    *state = bench;
    bench->fact = (struct msp_file_fact){.exe = {.ino = 7},
                                         .ctime_sec = 5,
                                         .magic = EXT4_SUPER_MAGIC,
                                         .mode = S_IFREG | 0755,
                                         .nlink = 1};
    if (msp_loop_new(&bench->loop) < 0 ||
        msp_ctr_match_init(&image, &bench->match) < 0)
        return -1;
    msp_ctrexes_init(&bench->exes, bench->loop, &ops, bench);
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;

    msp_ctrexes_done(&bench->exes);
    msp_ctr_match_done(&bench->match);
    msp_ctr_record_done(&bench->room[0].record);
    msp_ctr_record_done(&bench->room[1].record);
    msp_loop_free(bench->loop);
    free(bench);
    return 0;
}

static int plan(struct bench *bench)
{
    return msp_ctrexes_plan(&bench->exes, &bench->match, &bench->containers);
}

/* Answers at once whatever is asked, until `n` changes were told. */
static void run(struct bench *bench, int n)
{
    bench->stop_at = -1;
    bench->is_silent = true;
    while (bench->n_changed < n) {
        bench->stop_at = -(bench->n_asked + 1);
        assert_int_equal(msp_loop_run(bench->loop), 0);
        answer(bench);
        bench->stop_at = n;
        assert_int_equal(msp_loop_run(bench->loop), 0);
    }
}

static size_t lacking(const struct bench *bench, const char **why)
{
    *why = "";
    return msp_ctrexes_lacking(&bench->exes, 0, "/bin/a", why);
}

static void its_file_is_found_in_its_root(void **state)
{
    struct bench *bench = *state;
    msp_autofree struct msp_exe_found *found = NULL;
    const char *why;
    size_t n = 0;

    add_container(bench, 0, 10, "scgroup=/c\nsname=a\nsroot=/r\n\n");
    assert_int_equal(plan(bench), 0);
    assert_int_equal(lacking(bench, &why), 1);
    assert_string_equal(why, "not looked for yet");
    run(bench, 1);
    assert_string_equal(bench->asked, "/r /bin/a");
    assert_ok(msp_ctrexes_found(&bench->exes, &image, &found, &n));
    assert_int_equal(n, 1);
    assert_int_equal(found[0].path, 0);
    assert_int_equal(found[0].exe.ino, 7);
    assert_int_equal(found[0].ctime_sec, 5);
    assert_false(found[0].is_overlay);
    /* identities of this container, and who demands none */
    assert_int_equal(found[0].inside->word[0], 1u << 0 | 1u << 2);
    assert_int_equal(lacking(bench, &why), 0);
}

static void what_no_identity_wants_is_not_looked_at(void **state)
{
    struct bench *bench = *state;

    add_container(bench, 0, 10, "scgroup=/c\nsname=c\nsroot=/r\n\n");
    add_container(bench, 1, 11, "scgroup=/d\nsroot=/r\n\n");
    assert_int_equal(plan(bench), 0);
    assert_int_equal(bench->exes.n, 0);
}

static void a_container_that_goes_takes_its_file_along(void **state)
{
    struct bench *bench = *state;
    msp_autofree struct msp_exe_found *found = NULL;
    size_t n = 0;

    add_container(bench, 0, 10, "scgroup=/c\nsname=a\nupid=9\n\n");
    assert_int_equal(plan(bench), 0);
    bench->fact.magic = OVERLAYFS_SUPER_MAGIC;
    run(bench, 1);
    assert_string_equal(bench->asked, "9 /bin/a");
    assert_ok(msp_ctrexes_found(&bench->exes, &image, &found, &n));
    assert_int_equal(n, 1);
    assert_true(found[0].is_overlay);
    bench->containers.n = 0;
    assert_int_equal(plan(bench), 1);
    n = 0;
    assert_ok(msp_ctrexes_found(&bench->exes, &image, &found, &n));
    assert_int_equal(n, 0);
}

static void an_answer_that_comes_too_late_is_nobodys(void **state)
{
    struct bench *bench = *state;
    msp_autofree struct msp_exe_found *found = NULL;
    size_t n = 0;

    add_container(bench, 0, 10, "scgroup=/c\nsname=a\nsroot=/r\n\n");
    assert_int_equal(plan(bench), 0);
    bench->is_silent = true;
    bench->stop_at = -1;
    assert_int_equal(msp_loop_run(bench->loop), 0);
    bench->containers.n = 0;
    assert_int_equal(plan(bench), 0);
    answer(bench);
    assert_ok(msp_ctrexes_found(&bench->exes, &image, &found, &n));
    assert_int_equal(n, 0);
    assert_int_equal(bench->exes.n, 0);
}

static void what_does_not_count_is_said(void **state)
{
    static const struct {
        int answer;
        struct msp_file_fact fact;
        const char *why;
    } cases[] = {
        {-ENOENT, {.fd = 0}, "missing"},
        {-ESRCH,
         {.fd = 0},
         "its root directory is not known: the process has ended"},
        {-ETIMEDOUT, {.fd = 0}, "its file system kept silent"},
        {-EACCES, {.fd = 0}, "its root directory or the file cannot be opened"},
        {0,
         {.mode = S_IFDIR | 0755, .nlink = 1, .magic = EXT4_SUPER_MAGIC},
         "not a regular file"},
        {0,
         {.mode = S_IFREG | 0644, .nlink = 1, .magic = EXT4_SUPER_MAGIC},
         "nobody may execute it"},
        {0, {.mode = S_IFREG | 0755, .magic = EXT4_SUPER_MAGIC}, "missing"},
        {0,
         {.mode = S_IFREG | 0755, .nlink = 1, .magic = NFS_SUPER_MAGIC},
         "on a file system whose numbers do not name a file for good"},
    };
    struct bench *bench = *state;

    add_container(bench, 0, 10, "scgroup=/c\nsname=a\nsroot=/r\n\n");
    assert_int_equal(plan(bench), 0);
    bench->is_silent = true;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const char *why;

        bench->stop_at = -(bench->n_asked + 1);
        bench->exes.item[0]->due_ms = 0;
        assert_int_equal(plan(bench), 0);
        assert_int_equal(msp_loop_run(bench->loop), 0);
        bench->answer = cases[i].answer;
        bench->fact = cases[i].fact;
        answer(bench);
        assert_int_equal(lacking(bench, &why), 1);
        assert_string_equal(why, cases[i].why);
    }
}

static void another_root_is_looked_at_at_once(void **state)
{
    struct bench *bench = *state;
    const char *why;

    add_container(bench, 0, 10, "scgroup=/c\nsname=a\n\n");
    assert_int_equal(plan(bench), 0);
    msp_ctr_record_done(&bench->room[0].record);
    add_container(bench, 0, 10, "scgroup=/c\nsname=a\nsroot=/new\n\n");
    assert_int_equal(plan(bench), 0);
    run(bench, 1);
    assert_string_equal(bench->asked, "/new /bin/a");
    assert_int_equal(lacking(bench, &why), 0);
}

static void what_no_memory_was_left_for_has_no_rights(void **state)
{
    struct bench *bench = *state;

    add_container(bench, 0, 10, "scgroup=/c\nsname=a\nsroot=/r\n\n");
    assert_int_equal(plan(bench), 0);
    bench->is_silent = true;
    bench->stop_at = -1;
    assert_int_equal(msp_loop_run(bench->loop), 0);
    msp_ctr_record_done(&bench->room[0].record);
    add_container(bench, 0, 10, "scgroup=/c\nsname=a\nsroot=/new\n\n");
    is_out_of_memory = true;
    assert_int_equal(plan(bench), -ENOMEM);
    is_out_of_memory = false;
    assert_int_equal(bench->exes.n, 0);
    answer(bench); /* which is the last to know of it */
    assert_int_equal(plan(bench), 0);
    bench->n_changed = 0;
    run(bench, 1);
    assert_string_equal(bench->asked, "/new /bin/a");
}

int main(void)
{
#define BENCH_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        BENCH_TEST(its_file_is_found_in_its_root),
        BENCH_TEST(what_no_identity_wants_is_not_looked_at),
        BENCH_TEST(a_container_that_goes_takes_its_file_along),
        BENCH_TEST(an_answer_that_comes_too_late_is_nobodys),
        BENCH_TEST(what_does_not_count_is_said),
        BENCH_TEST(another_root_is_looked_at_at_once),
        BENCH_TEST(what_no_memory_was_left_for_has_no_rights),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
