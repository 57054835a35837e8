/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Who is denied over and over cannot hold who reads of it: a drain of the ring
 * ends though records keep coming, and the next one goes on where it ended.
 */
#include <unistd.h>

#include <bpf/libbpf.h>

#include <msp/limits.h>

#include "bpf/caller.h"
#include "bpf/slot.h"
#include "bpf/subject_fixture.h"
#include "harness/test.h"
#include "loader/events.h"

enum {
    BURSTS = 5, /* the ring has room for them */
    ENDLESS = 20000
};

static struct reader {
    struct subject *s;
    unsigned int n_left; /* connects made while one is read of */
    unsigned int n;
    uint64_t last_ns;
    unsigned int n_unordered; /* lost their place, or came twice */
} reader;

static void connects(struct subject *s, char how)
{
    char c;

    assert_int_equal(write(s->in, &how, 1), 1);
    assert_int_equal(read(s->out, &c, 1), 1);
}

static void on_event(void *data, const struct msp_event *event)
{
    (void)data;
    reader.n++;
    reader.n_unordered += event->time_ns <= reader.last_ns;
    reader.last_ns = event->time_ns;
    if (!reader.n_left)
        return;
    reader.n_left--;
    connects(reader.s, 'c');
}

static void on_gone(void *data, uint64_t id)
{
    (void)data;
    (void)id;
}

static int setup(void **state)
{
    struct subject *s;

    if (subject_setup(state))
        return -1;
    s = *state;
    subject_fill(s);
    ring_buffer__free(s->loader->ring);
    return msp_events_open(s->loader, on_event, on_gone, NULL);
}

static int reset(void **state)
{
    reader = (struct reader){.s = *state};
    return 0;
}

static void it_ends_though_records_keep_coming(void **state)
{
    struct subject *s = *state;
    unsigned int n_made;

    reader.n_left = ENDLESS;
    connects(s, 'c');
    assert_int_equal(msp_events_drain(s->loader), 1);
    assert_in_range(reader.n, 1, MSP_RING_BATCH);
    n_made = 1 + ENDLESS - reader.n_left;
    reader.n_left = 0;
    slot_drain(s->loader);
    assert_int_equal(reader.n, n_made);
    assert_int_equal(reader.n_unordered, 0);
}

static void what_it_leaves_is_read_next(void **state)
{
    struct subject *s = *state;
    unsigned int before = 0;
    uint64_t dropped = 1;
    int r;

    for (int i = 0; i < BURSTS; i++)
        connects(s, 'b');
    do {
        r = msp_events_drain(s->loader);
        assert_in_range(reader.n - before, r, MSP_RING_BATCH);
        before = reader.n;
    } while (r == 1);
    assert_ok(r);
    assert_int_equal(reader.n, BURSTS * CALLER_BURST);
    assert_int_equal(reader.n_unordered, 0);
    assert_ok(msp_events_stat(s->loader, MSP_STAT_RING_DROPPED, &dropped));
    assert_int_equal(dropped, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(it_ends_though_records_keep_coming, reset),
        cmocka_unit_test_setup(what_it_leaves_is_read_next, reset),
    };

    if (argc == 2 && msp_streq(argv[1], "act"))
        return caller_act();
    return cmocka_run_group_tests(tests, setup, subject_teardown);
}
