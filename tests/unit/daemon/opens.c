/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/opens.h"

#include <fcntl.h>

#include "base/io.h"
#include "harness/test.h"

/* mspd-netns is the other end of a pair, played by the test. */
struct bench {
    struct msp_loop *loop;
    struct msp_child child;
    struct msp_opens opens;
    int far_end;
    int n_answers;
    int r;
    bool has_fd;
    bool has_reply;
    uint8_t sha256[32];
};

static uint64_t clock_now;

static uint64_t fake_clock(void)
{
    return clock_now;
}

static void on_open(void *data, int r, int fd,
                    const struct msp_child_open *reply)
{
    struct bench *bench = data;

    bench->n_answers++;
    bench->r = r;
    bench->has_fd = fd >= 0;
    bench->has_reply = reply != NULL;
    if (reply)
        memcpy(bench->sha256, reply->sha256, sizeof(bench->sha256));
    msp_closep(&fd);
}

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    int pair[2];

    *state = bench;
    if (!bench || msp_loop_new(&bench->loop) < 0 || msp_io_pair(pair) < 0)
        return -1;
    clock_now = 1000;
    msp_loop_set_clock(bench->loop, fake_clock);
    bench->child.control_fd = pair[0];
    bench->far_end = pair[1];
    msp_opens_init(&bench->opens, bench->loop, &bench->child);
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;

    msp_opens_done(&bench->opens);
    bench->loop = msp_loop_free(bench->loop);
    (void)close(bench->child.control_fd);
    (void)close(bench->far_end);
    free(bench);
    return 0;
}

static struct msp_child_open packet;

static int ask(struct bench *bench, const char *path, uint32_t flags)
{
    return msp_opens_ask(&bench->opens, 0, path, flags, on_open, bench);
}

static void take(struct bench *bench)
{
    int fd;

    assert_int_equal(msp_io_recv(bench->far_end, &packet, sizeof(packet), &fd),
                     sizeof(packet));
}

static int reply(struct bench *bench, int status, bool has_fd)
{
    packet.status = status;
    return msp_opens_reply(&bench->opens, &packet, sizeof(packet),
                           has_fd ? open("/", O_PATH | O_CLOEXEC) : -1);
}

static void quit(void *data)
{
    msp_loop_quit(data, 0);
}

/* Lets the loop see the time. */
static void pass(struct bench *bench, uint64_t ms)
{
    struct msp_timer timer;

    clock_now += ms;
    msp_timer_init(bench->loop, &timer, quit, bench->loop);
    assert_ok(msp_timer_set(&timer, 0));
    assert_ok(msp_loop_run(bench->loop));
}

static void an_answer_finds_its_asker(void **state)
{
    struct bench *bench = *state;

    assert_ok(ask(bench, "/bin/tool", MSP_OPEN_HASH));
    take(bench);
    assert_int_equal(packet.head.type, MSP_CHILD_OPEN);
    assert_int_equal(packet.pid, 0);
    assert_int_equal(packet.flags, MSP_OPEN_HASH);
    assert_string_equal(packet.path, "/bin/tool");
    packet.sha256[31] = 9;
    assert_ok(reply(bench, 0, true));
    assert_int_equal(bench->n_answers, 1);
    assert_int_equal(bench->r, 0);
    assert_true(bench->has_fd);
    assert_int_equal(bench->sha256[31], 9);
    assert_ok(reply(bench, 0, true)); /* once more: nobody's */
    assert_int_equal(bench->n_answers, 1);
}

static void answers_come_in_any_order(void **state)
{
    struct bench *bench = *state;
    struct msp_child_open first;

    assert_ok(ask(bench, "/a", 0));
    assert_ok(ask(bench, "/b", 0));
    take(bench);
    first = packet;
    take(bench);
    assert_ok(reply(bench, -ENOENT, false));
    assert_int_equal(bench->r, -ENOENT);
    packet = first;
    assert_ok(reply(bench, 0, true));
    assert_int_equal(bench->r, 0);
    assert_int_equal(bench->n_answers, 2);
}

static void only_so_many_are_outstanding(void **state)
{
    struct bench *bench = *state;

    for (int i = 0; i < MSP_OPENS_MAX; i++)
        assert_ok(ask(bench, "/a", 0));
    assert_errno(ask(bench, "/a", 0), EBUSY);
    take(bench);
    assert_ok(reply(bench, -EIO, false));
    assert_ok(ask(bench, "/a", 0));
}

static void without_an_answer_the_deadline_answers(void **state)
{
    struct bench *bench = *state;

    assert_ok(ask(bench, "/a", 0));
    assert_ok(ask(bench, "/b", MSP_OPEN_HASH));
    take(bench);
    pass(bench, MSP_OPEN_MS);
    assert_int_equal(bench->n_answers, 0);
    pass(bench, 1000);
    assert_int_equal(bench->n_answers, 1);
    assert_int_equal(bench->r, -ETIMEDOUT);
    assert_false(bench->has_fd);
    assert_false(bench->has_reply);
    assert_ok(reply(bench, 0, true)); /* too late */
    assert_int_equal(bench->n_answers, 1);
    pass(bench, MSP_HASH_MS);
    assert_int_equal(bench->n_answers, 2);
}

static void faults_of_the_protocol_are_refused(void **state)
{
    struct bench *bench = *state;

    assert_ok(ask(bench, "/a", 0));
    take(bench);
    assert_errno(reply(bench, 0, false), EPROTO);
    assert_errno(reply(bench, -EIO, true), EPROTO);
    assert_errno(msp_opens_reply(&bench->opens, &packet, 100, -1), EPROTO);
    assert_int_equal(bench->n_answers, 0);
}

static void hops_that_name_nothing_are_refused(void **state)
{
    static const struct {
        uint32_t n_hops, off;
        char at;
        bool is_fault;
    } cases[] = {
        {2, 0, '/', false},
        {MSP_EXE_HOPS_MAX + 1, 0, '/', true},
        {2, sizeof(packet.path), '/', true},
        {2, 100, 'a', true},                     /* not absolute */
        {2, sizeof(packet.path) - 1, '/', true}, /* no NUL */
    };
    struct bench *bench = *state;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_ok(ask(bench, "/a", MSP_OPEN_WALK));
        take(bench);
        packet.flags = MSP_OPEN_WALK;
        packet.n_hops = cases[i].n_hops;
        packet.hop[1].off = cases[i].off;
        if (cases[i].off < sizeof(packet.path))
            packet.path[cases[i].off] = cases[i].at;
        assert_int_equal(reply(bench, -ENOENT, false),
                         cases[i].is_fault ? -EPROTO : 0);
    }
    assert_int_equal(bench->n_answers, 1);
    assert_true(bench->has_reply);
}

static void what_cannot_be_asked_is_said_at_once(void **state)
{
    struct bench *bench = *state;
    static char path[sizeof(packet.path) + 1];

    memset(path, 'a', sizeof(path) - 1);
    assert_errno(ask(bench, path, 0), ENAMETOOLONG);
    (void)close(bench->far_end);
    assert_errno(ask(bench, "/a", 0), EPIPE);
    bench->far_end = -1;
    assert_int_equal(bench->n_answers, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_answer_finds_its_asker),
        TEST(answers_come_in_any_order),
        TEST(only_so_many_are_outstanding),
        TEST(without_an_answer_the_deadline_answers),
        TEST(faults_of_the_protocol_are_refused),
        TEST(hops_that_name_nothing_are_refused),
        TEST(what_cannot_be_asked_is_said_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
