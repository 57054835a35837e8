/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "base/loop.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>

#include "base/io.h"
#include "harness/test.h"

enum {
    TIMERS = 64
};

struct bench {
    struct msp_loop *loop;
    struct msp_timer timer[TIMERS];
    uint64_t fired[TIMERS];
    size_t n_fired;
    size_t n_expected;
    struct msp_source source[2];
    int n_calls;
};

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    *state = bench;
    return bench ? msp_loop_new(&bench->loop) : -1;
}

static int teardown(void **state)
{
    struct bench *bench = *state;

    bench->loop = msp_loop_free(bench->loop);
    free(bench);
    return 0;
}

struct tagged {
    struct bench *bench;
    uint64_t tag;
};

static void note(void *data)
{
    struct tagged *tagged = data;
    struct bench *bench = tagged->bench;

    bench->fired[bench->n_fired++] = tagged->tag;
    if (bench->n_fired == bench->n_expected)
        msp_loop_quit(bench->loop, 7);
}

static void timers_fire_in_order_of_their_time(void **state)
{
    struct bench *bench = *state;
    struct tagged tagged[TIMERS];
    unsigned int seed = 1;

    bench->n_expected = TIMERS / 2;
    for (size_t i = 0; i < TIMERS; i++) {
        tagged[i] = (struct tagged){bench, 0};
        msp_timer_init(bench->loop, &bench->timer[i], note, &tagged[i]);
        seed = seed * 1103515245u + 12345u;
        assert_ok(msp_timer_set(&bench->timer[i], (seed >> 16) % 20));
    }
    /* move every fourth, stop every second */
    for (size_t i = 0; i < TIMERS; i += 4)
        assert_ok(msp_timer_set(&bench->timer[i], i % 7));
    for (size_t i = 1; i < TIMERS; i += 2)
        msp_timer_stop(&bench->timer[i]);
    for (size_t i = 0; i < TIMERS; i++)
        tagged[i].tag = bench->timer[i].at_ms;
    assert_int_equal(msp_loop_run(bench->loop), 7);
    assert_int_equal(bench->n_fired, TIMERS / 2);
    for (size_t i = 1; i < bench->n_fired; i++)
        assert_true(bench->fired[i - 1] <= bench->fired[i]);
    for (size_t i = 0; i < TIMERS; i++)
        assert_int_equal(bench->timer[i].index, 0);
}

static void timer_is_not_early(void **state)
{
    struct bench *bench = *state;
    struct tagged tagged = {bench, 0};
    uint64_t begin = msp_io_now_ms();

    bench->n_expected = 1;
    msp_timer_init(bench->loop, &bench->timer[0], note, &tagged);
    assert_ok(msp_timer_set(&bench->timer[0], 15));
    assert_int_equal(msp_loop_run(bench->loop), 7);
    assert_true(msp_io_now_ms() - begin >= 15);
}

static uint64_t pretended_ms;

static uint64_t pretend(void)
{
    return pretended_ms;
}

static void let_a_second_pass(void *data, uint32_t events)
{
    struct bench *bench = data;

    (void)events;
    bench->n_calls++;
    pretended_ms += 1000;
}

static void timers_follow_the_clock_that_was_set(void **state)
{
    struct bench *bench = *state;
    struct tagged tagged = {bench, 0};
    int fd[2];

    pretended_ms = 5;
    msp_loop_set_clock(bench->loop, pretend);
    assert_int_equal(msp_loop_now(bench->loop), 5);
    bench->n_expected = 1;
    msp_timer_init(bench->loop, &bench->timer[0], note, &tagged);
    assert_ok(msp_timer_set(&bench->timer[0], 3600000));
    assert_int_equal(bench->timer[0].at_ms, 3600005);
    assert_ok(pipe2(fd, O_CLOEXEC));
    assert_ok(msp_io_write_full(fd[1], "x", 1)); /* readable for ever */
    assert_ok(msp_loop_add(bench->loop, &bench->source[0], fd[0], EPOLLIN,
                           let_a_second_pass, bench));
    assert_int_equal(msp_loop_run(bench->loop), 7);
    assert_int_equal(bench->n_calls, 3600);
    assert_int_equal(msp_loop_now(bench->loop), 3600005);
    msp_loop_remove(&bench->source[0]);
    (void)close(fd[0]);
    (void)close(fd[1]);
}

static void again(void *data)
{
    struct bench *bench = data;

    bench->n_calls++;
    (void)msp_timer_set(&bench->timer[0], 0);
}

static void on_readable(void *data, uint32_t events)
{
    struct bench *bench = data;

    assert_true(events & EPOLLIN);
    msp_loop_quit(bench->loop, 3);
}

static void timer_that_re_arms_itself_does_not_starve_descriptors(void **state)
{
    struct bench *bench = *state;
    int fd[2];

    assert_ok(pipe2(fd, O_CLOEXEC));
    assert_ok(msp_io_write_full(fd[1], "x", 1));
    msp_timer_init(bench->loop, &bench->timer[0], again, bench);
    assert_ok(msp_timer_set(&bench->timer[0], 0));
    assert_ok(msp_loop_add(bench->loop, &bench->source[0], fd[0], EPOLLIN,
                           on_readable, bench));
    assert_int_equal(msp_loop_run(bench->loop), 3);
    assert_true(bench->n_calls >= 1);
    msp_loop_remove(&bench->source[0]);
    msp_timer_stop(&bench->timer[0]);
    (void)close(fd[0]);
    (void)close(fd[1]);
}

static void remove_both(void *data, uint32_t events)
{
    struct bench *bench = data;

    (void)events;
    bench->n_calls++;
    msp_loop_remove(&bench->source[0]);
    msp_loop_remove(&bench->source[1]);
    msp_loop_remove(&bench->source[1]);
}

static void source_removed_in_a_callback_is_not_called_any_more(void **state)
{
    struct bench *bench = *state;
    struct tagged tagged = {bench, 0};
    int fd[2];

    assert_ok(pipe2(fd, O_CLOEXEC));
    assert_ok(msp_io_write_full(fd[1], "x", 1));
    for (int i = 0; i < 2; i++) {
        int copy = dup(fd[0]);

        assert_ok(msp_loop_add(bench->loop, &bench->source[i], copy, EPOLLIN,
                               remove_both, bench));
    }
    bench->n_expected = 1;
    msp_timer_init(bench->loop, &bench->timer[0], note, &tagged);
    assert_ok(msp_timer_set(&bench->timer[0], 5));
    assert_int_equal(msp_loop_run(bench->loop), 7);
    assert_int_equal(bench->n_calls, 1);
    for (int i = 0; i < 2; i++)
        (void)close(bench->source[i].fd);
    (void)close(fd[0]);
    (void)close(fd[1]);
}

static void close_both(void *data, uint32_t events)
{
    struct bench *bench = data;

    (void)events;
    bench->n_calls++;
    msp_loop_close(&bench->source[0]);
    msp_loop_close(&bench->source[1]);
}

static void source_closed_in_a_callback_is_not_called_any_more(void **state)
{
    struct bench *bench = *state;
    struct tagged tagged = {bench, 0};

    for (int i = 0; i < 2; i++) {
        int fd[2];

        assert_ok(pipe2(fd, O_CLOEXEC));
        (void)close(fd[1]); /* a hang-up is reported until it is closed */
        assert_ok(msp_loop_add(bench->loop, &bench->source[i], fd[0], EPOLLIN,
                               close_both, bench));
    }
    bench->n_expected = 1;
    msp_timer_init(bench->loop, &bench->timer[0], note, &tagged);
    assert_ok(msp_timer_set(&bench->timer[0], 5));
    assert_int_equal(msp_loop_run(bench->loop), 7);
    assert_int_equal(bench->n_calls, 1);
    for (int i = 0; i < 2; i++)
        assert_int_equal(fcntl(bench->source[i].fd, F_GETFD), -1);
}

static void unexpected(void *data, uint32_t events)
{
    (void)data;
    (void)events;
    fail_msg("a quiet source was called");
}

static void quiet_source_hears_nothing_not_even_a_hang_up(void **state)
{
    struct bench *bench = *state;
    struct tagged tagged = {bench, 0};
    int pair[2];

    assert_ok(msp_io_pair(pair));
    assert_ok(msp_loop_add(bench->loop, &bench->source[0], pair[0], 0,
                           unexpected, bench));
    (void)close(pair[1]);
    bench->n_expected = 1;
    msp_timer_init(bench->loop, &bench->timer[0], note, &tagged);
    assert_ok(msp_timer_set(&bench->timer[0], 2));
    assert_int_equal(msp_loop_run(bench->loop), 7);
    bench->source[0].fn = on_readable;
    assert_ok(msp_loop_want(&bench->source[0], EPOLLIN));
    assert_int_equal(msp_loop_run(bench->loop), 3);
    msp_loop_remove(&bench->source[0]);
    (void)close(pair[0]);
}

struct again {
    struct bench *bench;
    int pair[2];
    int n_left;
};

/* Has the next event ready before the loop waits for it. */
static void write_again(void *data, uint32_t events)
{
    struct again *again = data;
    char byte;

    (void)events;
    assert_int_equal(read(again->pair[0], &byte, 1), 1);
    again->bench->n_calls++;
    if (--again->n_left)
        assert_int_equal(write(again->pair[1], "x", 1), 1);
}

/* However long it may look, and that is longer than this test may take. */
static void looking_delays_no_timer(void **state)
{
    struct bench *bench = *state;
    struct again again = {.bench = bench, .n_left = 100};
    struct tagged tagged = {bench, 0};
    uint64_t start = msp_io_now_ms();

    msp_loop_spin(bench->loop, 3600ull * 1000000000u);
    assert_ok(pipe2(again.pair, O_CLOEXEC | O_NONBLOCK));
    assert_ok(msp_loop_add(bench->loop, &bench->source[0], again.pair[0],
                           EPOLLIN, write_again, &again));
    assert_int_equal(write(again.pair[1], "x", 1), 1);
    bench->n_expected = 1;
    msp_timer_init(bench->loop, &bench->timer[0], note, &tagged);
    assert_ok(msp_timer_set(&bench->timer[0], 50));
    assert_int_equal(msp_loop_run(bench->loop), 7);
    assert_int_equal(bench->n_calls, 100);
    assert_true(msp_io_now_ms() - start >= 50);
    msp_loop_remove(&bench->source[0]);
    (void)close(again.pair[0]);
    (void)close(again.pair[1]);
}

/* --- lanes ---------------------------------------------------------------- */

enum {
    CROWD = 40,
    ROUNDS = 20,
    LOUD = 1,
    QUIET = 2
};

struct lanes {
    struct msp_loop *loop;
    struct msp_source crowd[CROWD];
    struct msp_source quiet;
    int write_fd; /* of the quiet one */
    unsigned int n_calls[CROWD];
    unsigned int n_since; /* calls of the crowd while the quiet one waits */
    unsigned int n_most;
    unsigned int n_rounds;
    bool is_waiting;
};

struct loud {
    struct lanes *lanes;
    unsigned int index;
};

/* One of the crowd: there is always more to read. */
static void on_loud(void *data, uint32_t events)
{
    struct loud *loud = data;
    struct lanes *lanes = loud->lanes;

    (void)events;
    lanes->n_calls[loud->index]++;
    lanes->n_since++;
    if (lanes->is_waiting)
        return;
    lanes->is_waiting = true;
    lanes->n_since = 0;
    assert_int_equal(write(lanes->write_fd, "x", 1), 1);
}

static void on_quiet(void *data, uint32_t events)
{
    struct lanes *lanes = data;
    char byte;

    (void)events;
    assert_int_equal(read(lanes->quiet.fd, &byte, 1), 1);
    lanes->is_waiting = false;
    /* the first one is what shows that there are two */
    if (lanes->n_rounds && lanes->n_since > lanes->n_most)
        lanes->n_most = lanes->n_since;
    if (++lanes->n_rounds == ROUNDS)
        msp_loop_quit(lanes->loop, 0);
}

static void a_crowd_leaves_another_one_its_turn(void **state)
{
    struct bench *bench = *state;
    struct lanes lanes = {.loop = bench->loop};
    struct loud loud[CROWD];
    int ready[2], quiet[2];

    assert_ok(msp_io_pair(ready));
    assert_ok(msp_io_pair(quiet));
    assert_int_equal(write(ready[1], "x", 1), 1);
    lanes.write_fd = quiet[1];
    for (unsigned int i = 0; i < CROWD; i++) {
        int fd = dup(ready[0]);

        assert_true(fd >= 0);
        loud[i] = (struct loud){&lanes, i};
        assert_ok(msp_loop_add(bench->loop, &lanes.crowd[i], fd, EPOLLIN,
                               on_loud, &loud[i]));
        lanes.crowd[i].lane = LOUD;
    }
    assert_ok(msp_loop_add(bench->loop, &lanes.quiet, quiet[0], EPOLLIN,
                           on_quiet, &lanes));
    lanes.quiet.lane = QUIET;
    assert_int_equal(msp_loop_run(bench->loop), 0);
    print_message("at most %u of %d before it\n", lanes.n_most, CROWD);
    assert_in_range(lanes.n_most, 1, CROWD / 2);
    for (unsigned int i = 0; i < CROWD; i++) {
        assert_int_not_equal(lanes.n_calls[i], 0);
        msp_loop_close(&lanes.crowd[i]);
    }
    msp_loop_close(&lanes.quiet);
    (void)close(ready[0]);
    (void)close(ready[1]);
    (void)close(quiet[1]);
}

static void on_signal(void *data, int signo)
{
    struct bench *bench = data;

    msp_loop_quit(bench->loop, signo);
}

static void reports_signals(void **state)
{
    static const int wanted[] = {SIGHUP, SIGTERM, 0};
    struct bench *bench = *state;

    assert_ok(msp_loop_signals(bench->loop, wanted, on_signal, bench));
    assert_ok(raise(SIGTERM));
    assert_int_equal(msp_loop_run(bench->loop), SIGTERM);
    assert_errno(msp_loop_signals(bench->loop, wanted, on_signal, bench),
                 EBUSY);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(timers_fire_in_order_of_their_time),
        TEST(timer_is_not_early),
        TEST(timers_follow_the_clock_that_was_set),
        TEST(timer_that_re_arms_itself_does_not_starve_descriptors),
        TEST(source_removed_in_a_callback_is_not_called_any_more),
        TEST(source_closed_in_a_callback_is_not_called_any_more),
        TEST(quiet_source_hears_nothing_not_even_a_hang_up),
        TEST(looking_delays_no_timer),
        TEST(a_crowd_leaves_another_one_its_turn),
        TEST(reports_signals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
