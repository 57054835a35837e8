/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Counters of cgroups that are gone make room, and no sum changes.
 */
#include <bpf/bpf.h>

#include <msp/limits.h>

#include "bpf/trace.h"
#include "harness/test.h"
#include "loader/events.h"
#include "loader/iter.h"

enum {
    HALF = MSP_COUNTERS_MAX / 2,
    SWEPT = 4000
};

static struct msp_loader *loader_of(struct trace_fixture *t)
{
    return slot_fixture_loader(trace_fixture_slot(t));
}

static bool put(struct trace_fixture *t, uint64_t id, uint32_t endpoint,
                uint64_t count)
{
    const struct msp_counter_key key = {
        .cgroup_id = id, .endpoint = endpoint, .verdict = MSP_VERDICT_DENY};

    return bpf_map_update_elem(msp_loader_map_fd(loader_of(t), "msp_counters"),
                               &key, &count, BPF_ANY) == 0;
}

struct seen {
    uint64_t wanted; /* id */
    uint64_t n_rows, n_common, common[3], his, total;
};

static void see(void *data, const struct msp_counter_key *key, uint64_t count)
{
    struct seen *seen = data;

    assert_true(key->cgroup_id != MSP_COUNTER_GONE);
    seen->n_rows++;
    seen->total += count;
    if (key->cgroup_id == seen->wanted)
        seen->his += count;
    if (key->cgroup_id)
        return;
    seen->n_common++;
    assert_in_range(key->endpoint, 0, 2);
    seen->common[key->endpoint] += count;
}

static struct seen look(struct trace_fixture *t, uint64_t wanted)
{
    struct seen seen = {.wanted = wanted};

    assert_ok(msp_events_counters(loader_of(t), see, &seen));
    return seen;
}

/* Rows of cgroups that are gone, with ids no cgroup has. @return their number
 */
static uint64_t fill(struct trace_fixture *t, uint64_t most)
{
    uint64_t n = 0;

    while (n < most && put(t, 1ull << 62 | n, n % 2, 1))
        n++;
    return n;
}

/* Until so many rows are left; each time somebody has to be looked at. */
static void sweep_to(struct trace_fixture *t, uint64_t n_rows, uint64_t total)
{
    struct msp_counters_sweep sweep = {0};
    struct seen seen = look(t, 0);
    uint64_t before;
    int n_idle = 0, r;

    do {
        before = seen.n_rows;
        r = msp_events_counters_sweep(loader_of(t), &sweep);
        assert_in_range(r, 0, MSP_COUNTERS_MAX);
        seen = look(t, 0);
        assert_int_equal(seen.total, total);
        /* but for the common ones, of which there are two */
        assert_in_range(seen.n_rows, before - (uint64_t)r,
                        before - (uint64_t)r + 2);
        n_idle = r ? 0 : n_idle + 1;
        assert_true(n_idle < 100);
    } while (seen.n_rows > n_rows);
}

static int setup(void **state)
{
    struct msp_counter_key key;
    int fd;

    if (trace_fixture_setup(state))
        return -1;
    fd = msp_loader_map_fd(loader_of(*state), "msp_counters");
    while (bpf_map_get_next_key(fd, NULL, &key) == 0)
        (void)bpf_map_delete_elem(fd, &key);
    return 0;
}

static void below_half_all_rows_stay(void **state)
{
    struct trace_fixture *t = *state;
    struct msp_counters_sweep sweep = {0};

    assert_int_equal(fill(t, HALF), HALF);
    assert_int_equal(msp_events_counters_sweep(loader_of(t), &sweep), 0);
    assert_int_equal(look(t, 0).n_rows, HALF);
}

static void rows_of_who_is_gone_make_room(void **state)
{
    struct trace_fixture *t = *state;
    uint64_t here = trace_mkdir(t, "/here"), gone = trace_mkdir(t, "/gone");
    struct seen seen;

    trace_rmdir(t, "/gone");
    assert_true(put(t, here, 1, 5) && put(t, gone, 1, 7));
    assert_int_equal(fill(t, HALF), HALF);
    assert_false(msp_iter_cgroup_is_gone(loader_of(t), here));
    assert_true(msp_iter_cgroup_is_gone(loader_of(t), gone));
    assert_false(msp_iter_cgroup_is_gone(loader_of(t), 0));
    sweep_to(t, HALF, HALF + 12);
    seen = look(t, here);
    assert_int_equal(seen.his, 5);
    assert_true(seen.common[0] + seen.common[1] > 0);
    assert_int_equal(seen.common[2], 0);
}

static void a_full_table_is_swept_and_the_common_row_goes_on(void **state)
{
    struct trace_fixture *t = *state;
    uint64_t here = trace_mkdir(t, "/here"), n;
    struct seen seen;

    /* what found no room before is on the row of cgroup 0 */
    assert_true(put(t, here, 1, 5) && put(t, 0, 0, 100));
    n = fill(t, UINT64_MAX);
    assert_true(n < MSP_COUNTERS_MAX);
    assert_false(put(t, here, 0, 1));
    sweep_to(t, n - SWEPT, n + 105);
    assert_true(put(t, here, 0, 1));
    seen = look(t, here);
    assert_int_equal(seen.his, 6);
    assert_int_equal(seen.n_common, 2); /* endpoints: each is told once */
    assert_true(seen.common[0] > 100 + SWEPT / 4);
    assert_true(seen.common[1] > SWEPT / 4);
    assert_int_equal(seen.total, n + 106);
}

#define CASE(name) \
    cmocka_unit_test_setup_teardown(name, setup, trace_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(below_half_all_rows_stay),
        CASE(rows_of_who_is_gone_make_room),
        CASE(a_full_table_is_swept_and_the_common_row_goes_on),
    };

    return cmocka_run_group_tests(tests, trace_group_setup,
                                  trace_group_teardown);
}
