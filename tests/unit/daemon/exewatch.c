/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/exewatch.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "harness/test.h"

/* A directory with inotify; who walks is the test. */
struct bench {
    struct msp_loop *loop;
    struct msp_exewatch watch;
    char dir[64];
    int n_events;
    uint64_t name; /* of the last one */
};

static void on_event(void *data, int wd, uint64_t name)
{
    struct bench *bench = data;

    (void)wd;
    bench->n_events++;
    bench->name = name;
}

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    *state = bench;
    if (!bench || msp_loop_new(&bench->loop) < 0)
        return -1;
    (void)snprintf(bench->dir, sizeof(bench->dir), "/tmp/msp-watch.XXXXXX");
    if (!mkdtemp(bench->dir))
        return -1;
    return msp_exewatch_open(&bench->watch, bench->loop, on_event, bench);
}

static int teardown(void **state)
{
    struct bench *bench = *state;

    msp_exewatch_done(&bench->watch);
    bench->loop = msp_loop_free(bench->loop);
    (void)rmdir(bench->dir);
    free(bench);
    return 0;
}

static int add(const struct bench *bench)
{
    int wd = inotify_add_watch(bench->watch.fd, bench->dir,
                               IN_CREATE | IN_DELETE | IN_DELETE_SELF);

    assert_true(wd >= 0);
    return wd;
}

static void make(const struct bench *bench, const char *name)
{
    char path[128];
    int fd;

    (void)snprintf(path, sizeof(path), "%s/%s", bench->dir, name);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
    assert_ok(unlink(path));
}

static void quit(void *data)
{
    msp_loop_quit(data, 0);
}

static void run(const struct bench *bench)
{
    struct msp_timer timer;

    msp_timer_init(bench->loop, &timer, quit, bench->loop);
    assert_ok(msp_timer_set(&timer, 30));
    assert_ok(msp_loop_run(bench->loop));
}

/* Whether the kernel has it still; and then it has not. */
static bool is_watched(const struct bench *bench, int wd)
{
    return inotify_rm_watch(bench->watch.fd, wd) == 0;
}

static void held_directories_tell(void **state)
{
    struct bench *bench = *state;
    uint32_t walk = msp_exewatch_begin(&bench->watch);
    int wd = add(bench);

    assert_ok(msp_exewatch_hold(&bench->watch, wd));
    msp_exewatch_end(&bench->watch, walk);
    make(bench, "x");
    run(bench);
    assert_int_equal(bench->n_events, 2);
    assert_true(bench->name == msp_exewatch_hash("x"));
    assert_ok(rmdir(bench->dir));
    run(bench);
    assert_true(bench->name == MSP_EXEWATCH_ITSELF);
}

static void what_a_walk_did_not_wait_for_is_remembered(void **state)
{
    struct bench *bench = *state;
    uint32_t walk = msp_exewatch_begin(&bench->watch), next;
    int wd = add(bench);

    make(bench, "x");
    run(bench);
    assert_int_equal(bench->n_events, 0); /* nobody needs it yet */
    assert_true(
        msp_exewatch_saw(&bench->watch, walk, wd, msp_exewatch_hash("x")));
    assert_false(
        msp_exewatch_saw(&bench->watch, walk, wd, msp_exewatch_hash("y")));
    next = msp_exewatch_begin(&bench->watch);
    assert_false(
        msp_exewatch_saw(&bench->watch, next, wd, msp_exewatch_hash("x")));
    assert_ok(rmdir(bench->dir));
    run(bench);
    assert_true(
        msp_exewatch_saw(&bench->watch, next, wd, msp_exewatch_hash("y")));
}

static void what_a_walk_may_have_found_is_not_dropped(void **state)
{
    struct bench *bench = *state;
    uint32_t first = msp_exewatch_begin(&bench->watch), second;
    int wd = add(bench);

    assert_ok(msp_exewatch_hold(&bench->watch, wd));
    msp_exewatch_end(&bench->watch, first);
    second = msp_exewatch_begin(&bench->watch);
    msp_exewatch_drop(&bench->watch, wd);
    assert_int_equal(bench->watch.n_idle, 1);
    assert_int_equal(add(bench), wd); /* still the same watch */
    assert_ok(msp_exewatch_hold(&bench->watch, wd));
    msp_exewatch_end(&bench->watch, second);
    make(bench, "x");
    run(bench);
    assert_int_equal(bench->n_events, 2);
    msp_exewatch_drop(&bench->watch, wd);
    assert_int_equal(bench->watch.n_dirs, 0);
    assert_false(is_watched(bench, wd));
}

static void what_nobody_asked_for_is_dropped(void **state)
{
    struct bench *bench = *state;
    uint32_t walk = msp_exewatch_begin(&bench->watch);
    int wd = add(bench);

    make(bench, "x");
    run(bench);
    msp_exewatch_end(&bench->watch, walk); /* it never answered */
    make(bench, "y");
    run(bench);
    assert_false(is_watched(bench, wd));
    assert_int_equal(bench->n_events, 0);
}

static void only_so_many_are_held(void **state)
{
    struct bench *bench = *state;
    uint32_t walk = msp_exewatch_begin(&bench->watch);
    int wd = add(bench);

    for (int i = 0; i < MSP_EXE_WATCHES_MAX; i++)
        assert_ok(msp_exewatch_hold(&bench->watch, 1000 + i));
    assert_errno(msp_exewatch_hold(&bench->watch, wd), EDQUOT);
    assert_ok(msp_exewatch_hold(&bench->watch, 1000)); /* is held already */
    msp_exewatch_end(&bench->watch, walk);
    assert_false(is_watched(bench, wd));
    msp_exewatch_drop(&bench->watch, 1001);
    assert_ok(msp_exewatch_hold(&bench->watch, wd));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(held_directories_tell),
        TEST(what_a_walk_did_not_wait_for_is_remembered),
        TEST(what_a_walk_may_have_found_is_not_dropped),
        TEST(what_nobody_asked_for_is_dropped),
        TEST(only_so_many_are_held),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
