/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "proxy/control.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <msp/limits.h>

#include "base/finished.h"
#include "base/io.h"
#include "base/loop.h"
#include "harness/test.h"
#include "proxy/key.h"
#include "proxy/worker.h"

struct rig {
    struct msp_loop *loop;
    struct msp_key *key;
    struct msp_worker *worker;
    struct msp_meta meta;
    struct msp_request page;
    struct msp_control control;
    struct msp_timer end;
    int mspd; /* our end of the pair */
};

static void on_end(void *data)
{
    struct rig *rig = data;
    struct pollfd waiting = {.fd = rig->control.fd, .events = POLLIN};

    /* a machine that is busy may be late: what was sent is read first */
    if (rig->control.fd >= 0 && poll(&waiting, 1, 0) > 0)
        assert_ok(msp_timer_set(&rig->end, 20));
    else
        msp_loop_quit(rig->loop, 1);
}

/* Everything that is waiting now is handled. */
static void run_once(struct rig *rig)
{
    msp_timer_init(rig->loop, &rig->end, on_end, rig);
    assert_ok(msp_timer_set(&rig->end, 20));
    (void)msp_loop_run(rig->loop);
}

static int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    struct msp_worker_setup worker = {0};
    int pair[2];

    if (!rig || msp_io_pair(pair) || msp_loop_new(&rig->loop) ||
        msp_key_new(&rig->key))
        return -1;
    worker.loop = rig->loop;
    worker.page = &rig->page;
    worker.meta = &rig->meta;
    worker.key = rig->key;
    if (msp_worker_new(&worker, &rig->worker))
        return -1;
    rig->mspd = pair[0];
    rig->control = (struct msp_control){.worker = rig->worker, .key = rig->key};
    *state = rig;
    return msp_control_open(&rig->control, rig->loop, pair[1]);
}

static int teardown(void **state)
{
    struct rig *rig = *state;

    msp_control_done(&rig->control);
    msp_worker_free(rig->worker);
    msp_loop_free(rig->loop);
    msp_key_free(rig->key);
    if (rig->mspd >= 0)
        (void)close(rig->mspd);
    free(rig);
    return 0;
}

static void key_packet_sets_key_and_leaves_no_trace(void **state)
{
    struct rig *rig = *state;
    struct msp_child_key packet = {.head.type = MSP_CHILD_KEY,
                                   .guid = "guid-9"};
    const uint8_t *room;
    size_t len;

    memset(packet.key, 0xa5, sizeof(packet.key));
    assert_ok(msp_io_send(rig->mspd, &packet, sizeof(packet), -1));
    run_once(rig);
    assert_string_equal(msp_key_guid(rig->key), "guid-9");
    room = msp_key_packet(rig->key, &len);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(room[i], 0);
}

static void listener_comes_and_goes(void **state)
{
    struct rig *rig = *state;
    struct msp_child_listener packet = {
        .head.type = MSP_CHILD_LISTENER, .netns_cookie = 5, .port = 61080};
    const struct sockaddr_in addr = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_ok(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)));
    assert_ok(listen(fd, 1));
    assert_ok(msp_io_send(rig->mspd, &packet, sizeof(packet), fd));
    (void)close(fd);
    run_once(rig);
    assert_non_null(rig->worker->listeners);
    packet.head.type = MSP_CHILD_LISTENER_GONE;
    assert_ok(msp_io_send(rig->mspd, &packet, sizeof(packet), -1));
    run_once(rig);
    assert_null(rig->worker->listeners);
}

static void new_identities_are_seen_when_mspd_says_so(void **state)
{
    struct rig *rig = *state;
    struct msp_child_head flipped = {.type = MSP_CHILD_FLIPPED};

    rig->meta.slot[0].identity_epoch = 5;
    run_once(rig);
    assert_int_equal(rig->worker->identity_epoch, 0);
    assert_ok(msp_io_send(rig->mspd, &flipped, sizeof(flipped), -1));
    run_once(rig);
    assert_int_equal(rig->worker->identity_epoch, 5);
    assert_true(rig->control.fd >= 0);
}

static void faults_close_the_pair_and_keep_the_key(void **state)
{
    static const struct {
        uint32_t type;
        size_t len;
    } cases[] = {
        {MSP_CHILD_KEY, sizeof(struct msp_child_key) - 1},
        {MSP_CHILD_KEY, sizeof(struct msp_child_key) + 1},
        {MSP_CHILD_LISTENER, sizeof(struct msp_child_listener)}, /* no fd */
        {MSP_CHILD_LISTENER_GONE, 3},
        {MSP_CHILD_FLIPPED, sizeof(struct msp_child_head) + 1},
        {MSP_CHILD_LOG, 64},
        {MSP_CHILD_NONE, 64},
        {999, 64},
        {MSP_CHILD_KEY, 5000},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        static uint8_t bytes[8192];
        struct msp_child_key good = {.head.type = MSP_CHILD_KEY, .guid = "g"};
        struct rig *rig;

        assert_ok(setup(state));
        rig = *state;
        assert_ok(msp_io_send(rig->mspd, &good, sizeof(good), -1));
        memset(bytes, 0, sizeof(bytes));
        memcpy(bytes, &cases[i].type, sizeof(cases[i].type));
        assert_ok(msp_io_send(rig->mspd, bytes, cases[i].len, -1));
        run_once(rig);
        assert_int_equal(rig->control.fd, -1);
        assert_true(msp_key_is_set(rig->key));
        assert_errno(
            msp_control_log(&rig->control, (const struct msp_child_log *)bytes),
            EPIPE);
        (void)teardown(state);
    }
}

static void mspd_gone_is_survived(void **state)
{
    struct rig *rig = *state;

    (void)close(rig->mspd);
    rig->mspd = -1;
    run_once(rig);
    assert_int_equal(rig->control.fd, -1);
    assert_false(rig->worker->is_draining);
}

/* Records without a text: sent as soon as there is no room for any other. */
static int in_a_packet(void)
{
    static const struct msp_child_log record = {.head.type = MSP_CHILD_LOG};
    uint8_t one[sizeof(record)];
    size_t len = msp_finished_pack(one, sizeof(one), &record);

    assert_in_range(len, 1, sizeof(record) / 3);
    return (int)((MSP_CHILD_LOG_BYTES - sizeof(record)) / len + 1);
}

static void slow_mspd_loses_records_only(void **state)
{
    struct rig *rig = *state;
    static const struct msp_child_log record = {.head.type = MSP_CHILD_LOG};
    int r = 0;

    for (int i = 0; r == 0 && i < 100000; i++)
        r = msp_control_log(&rig->control, &record);
    assert_int_equal(r, -EAGAIN);
    assert_true(rig->control.fd >= 0);
    assert_int_equal(rig->worker->stats.n_log_dropped, in_a_packet());
}

/* Takes one packet of records. @return how many; negative errno */
static int take_records(struct rig *rig)
{
    static uint8_t got[MSP_CHILD_LOG_BYTES + 1];
    struct msp_child_log record;
    int fd, count = 0;
    ssize_t n, len = msp_io_recv(rig->mspd, got, sizeof(got), &fd);

    if (len < 0)
        return (int)len;
    for (ssize_t at = 0; at < len; at += n, count++) {
        n = msp_finished_unpack(got + at, (size_t)(len - at), &record);
        assert_true(n > 0);
    }
    return count;
}

static void log_records(struct rig *rig, int n)
{
    static const struct msp_child_log record = {.head.type = MSP_CHILD_LOG};

    for (int i = 0; i < n; i++)
        assert_ok(msp_control_log(&rig->control, &record));
}

static void records_wait_for_others_but_not_for_long(void **state)
{
    struct rig *rig = *state;

    log_records(rig, 3);
    assert_int_equal(take_records(rig), -EAGAIN);
    msp_timer_init(rig->loop, &rig->end, on_end, rig);
    assert_ok(msp_timer_set(&rig->end, MSP_LOG_FLUSH_MS + 1));
    (void)msp_loop_run(rig->loop);
    assert_int_equal(take_records(rig), 3);
    assert_int_equal(take_records(rig), -EAGAIN);
}

static void a_full_packet_of_records_goes_at_once(void **state)
{
    struct rig *rig = *state;

    log_records(rig, in_a_packet() + 2);
    assert_int_equal(take_records(rig), in_a_packet());
    assert_int_equal(take_records(rig), -EAGAIN);
}

static void the_last_records_go_before_the_end(void **state)
{
    struct rig *rig = *state;

    log_records(rig, 2);
    msp_control_done(&rig->control);
    assert_int_equal(take_records(rig), 2);
}

static void ready_is_announced(void **state)
{
    struct rig *rig = *state;
    struct msp_child_head head;
    int fd;

    assert_ok(msp_control_ready(&rig->control));
    assert_int_equal(msp_io_recv(rig->mspd, &head, sizeof(head), &fd),
                     sizeof(head));
    assert_int_equal(head.type, MSP_CHILD_READY);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(key_packet_sets_key_and_leaves_no_trace),
        T(listener_comes_and_goes),
        T(new_identities_are_seen_when_mspd_says_so),
        cmocka_unit_test(faults_close_the_pair_and_keep_the_key),
        T(mspd_gone_is_survived),
        T(slow_mspd_loses_records_only),
        T(records_wait_for_others_but_not_for_long),
        T(a_full_packet_of_records_goes_at_once),
        T(the_last_records_go_before_the_end),
        T(ready_is_announced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
