/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Which container a cgroup is in: inherited as it is made, also while its
 * container is being registered; the nearest top above it; gone with it.
 */
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <bpf/bpf.h>

#include "bpf/trace.h"
#include "harness/test.h"
#include "loader/ctrlive.h"
#include "loader/events.h"

enum {
    RACED = 1000,
    WAVES = 4
};

static struct msp_loader *loader_of(struct trace_fixture *t)
{
    return slot_fixture_loader(trace_fixture_slot(t));
}

static uint64_t top_of(struct trace_fixture *t, uint64_t id)
{
    return msp_ctr_top_of(loader_of(t), id);
}

/* As mspd does. */
static void add(struct trace_fixture *t, uint64_t top)
{
    uint64_t n_left = 1;

    assert_ok(msp_ctr_top_set(loader_of(t), top, true));
    if (msp_ctr_fill(loader_of(t), top, &n_left) < 0)
        fail_msg("%s", loader_of(t)->why);
    assert_int_equal(n_left, 0);
}

static void take_back(struct trace_fixture *t, uint64_t top)
{
    uint64_t n_left = 1;

    assert_ok(msp_ctr_top_set(loader_of(t), top, false));
    assert_ok(msp_ctr_fill(loader_of(t), top, &n_left));
    assert_int_equal(n_left, 0);
}

static void cgroups_below_are_in_it_old_and_new(void **state)
{
    struct trace_fixture *t = *state;
    uint64_t top, old, deep, aside, new, newer;

    trace_fixture_attach(t);
    aside = trace_mkdir(t, "/aside");
    top = trace_mkdir(t, "/top");
    old = trace_mkdir(t, "/top/old");
    deep = trace_mkdir(t, "/top/old/deep");
    assert_int_equal(top_of(t, deep), 0);
    add(t, top);
    new = trace_mkdir(t, "/top/new");
    newer = trace_mkdir(t, "/top/old/deep/newer");
    assert_int_equal(top_of(t, top), top);
    assert_int_equal(top_of(t, old), top);
    assert_int_equal(top_of(t, deep), top);
    assert_int_equal(top_of(t, new), top);
    assert_int_equal(top_of(t, newer), top);
    assert_int_equal(top_of(t, aside), 0);
    take_back(t, top);
    assert_int_equal(top_of(t, top), 0);
    assert_int_equal(top_of(t, newer), 0);
    assert_int_equal(top_of(t, new), 0);
}

static void the_nearest_top_above_counts(void **state)
{
    struct trace_fixture *t = *state;
    uint64_t outer, between, inner, below;

    trace_fixture_attach(t);
    outer = trace_mkdir(t, "/outer");
    between = trace_mkdir(t, "/outer/between");
    inner = trace_mkdir(t, "/outer/between/inner");
    below = trace_mkdir(t, "/outer/between/inner/below");
    add(t, inner);
    add(t, outer); /* later, and leaves the inner one alone */
    assert_int_equal(top_of(t, between), outer);
    assert_int_equal(top_of(t, inner), inner);
    assert_int_equal(top_of(t, below), inner);
    assert_int_equal(top_of(t, trace_mkdir(t, "/outer/between/inner/new")),
                     inner);
    take_back(t, inner);
    assert_int_equal(top_of(t, inner), outer);
    assert_int_equal(top_of(t, below), outer);
    take_back(t, outer);
    assert_int_equal(top_of(t, below), 0);
}

/* What the ring said. */
static uint64_t gone_id;
static int n_gone;

static void on_event(void *data, const struct msp_event *event)
{
    (void)data;
    (void)event;
}

static void on_gone(void *data, uint64_t id)
{
    (void)data;
    gone_id = id;
    n_gone++;
}

static void a_top_takes_its_rows_along_and_says_so(void **state)
{
    struct trace_fixture *t = *state;
    const struct msp_ctr_name name = {.name = "x"};
    const struct msp_ctr_row row = {.stamp = 1};
    struct msp_ctr_key key = {.prefixlen = MSP_CTR_KEY_BITS};
    uint64_t top, below;
    struct msp_ctr_name found;
    int names = msp_loader_map_fd(loader_of(t), "msp_container");
    int rows = trace_table(t, "msp_ctr_ids", "msp_t_ctr", 2, 4);

    trace_fixture_attach(t);
    assert_ok(msp_events_open(loader_of(t), on_event, on_gone, NULL));
    top = trace_mkdir(t, "/top");
    add(t, top);
    below = trace_mkdir(t, "/top/below");
    key.cgroup_id = top;
    assert_ok(msp_ctr_name_set(loader_of(t), top, &name));
    assert_ok(bpf_map_lookup_elem(names, &key, &found));
    assert_string_equal(found.name, "x");
    assert_ok(bpf_map_update_elem(rows, &top, &row, BPF_ANY));
    trace_rmdir(t, "/top/below");
    assert_int_equal(top_of(t, below), 0);
    slot_drain(loader_of(t));
    assert_int_equal(n_gone, 0); /* it was no top */
    trace_rmdir(t, "/top");
    assert_int_equal(top_of(t, top), 0);
    assert_true(bpf_map_delete_elem(rows, &top) < 0);
    assert_int_equal(bpf_map_lookup_elem(names, &key, &found), -ENOENT);
    slot_drain(loader_of(t));
    assert_int_equal(n_gone, 1);
    assert_int_equal(gone_id, top);
    (void)close(rows);
}

static void what_finds_no_room_is_counted_and_made_up_for(void **state)
{
    struct trace_fixture *t = *state;
    int fd = msp_loader_map_fd(loader_of(t), "msp_ctr_cgroup");
    uint64_t top, below, before = 0, after = 0, n_left = 0;
    struct msp_ctr_ref ref = {1};

    trace_fixture_attach(t);
    top = trace_mkdir(t, "/top");
    add(t, top);
    /* ids no cgroup has: the highest bit */
    for (uint64_t i = 0;; i++) {
        uint64_t key = 1ull << 63 | i;

        if (bpf_map_update_elem(fd, &key, &ref, BPF_NOEXIST) < 0) {
            assert_int_equal(errno, E2BIG);
            break;
        }
    }
    assert_ok(
        msp_events_stat(loader_of(t), MSP_STAT_CONTAINER_DROPPED, &before));
    below = trace_mkdir(t, "/top/below");
    assert_int_equal(top_of(t, below), 0);
    assert_ok(
        msp_events_stat(loader_of(t), MSP_STAT_CONTAINER_DROPPED, &after));
    assert_int_equal(after, before + 1);
    assert_ok(msp_ctr_fill(loader_of(t), 0, &n_left));
    assert_int_equal(n_left, 1);
    for (uint64_t i = 0;; i++) {
        uint64_t key = 1ull << 63 | i;

        if (bpf_map_delete_elem(fd, &key) < 0)
            break;
    }
    assert_ok(msp_ctr_fill(loader_of(t), 0, &n_left));
    assert_int_equal(n_left, 0);
    assert_int_equal(top_of(t, below), top);
}

/* --- against a registration --------------------------------------------- */

struct race {
    struct trace_fixture *t;
    _Atomic(bool) is_added;
    _Atomic(unsigned int) n_made;
    uint64_t id[RACED];
    unsigned int n_late;    /* made after the registration */
    unsigned int n_missing; /* of them, without a row at once */
    unsigned int n_failed;
};

/* A process born in the cgroup, every other time; it ends at once. */
static int bear(const char *path)
{
    msp_autoclose int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct clone_args args = {.flags = CLONE_INTO_CGROUP,
                              .exit_signal = SIGCHLD,
                              .cgroup = (uint64_t)fd};
    pid_t pid;

    if (fd < 0)
        return -1;
    pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
    if (pid == 0)
        _exit(0);
    return pid < 0 || waitpid(pid, NULL, 0) != pid ? -1 : 0;
}

static void *make_many(void *data)
{
    struct race *race = data;
    char path[PATH_MAX + 64];
    struct stat st;

    for (unsigned int i = 0; i < RACED; i++) {
        bool is_late = atomic_load(&race->is_added);

        (void)snprintf(path, sizeof(path), "%s/top/%s%u",
                       trace_fixture_cgroup(race->t), i % 3 ? "" : "in/", i);
        if (mkdir(path, 0755) < 0 || stat(path, &st) < 0 ||
            (i % 2 && bear(path) < 0)) {
            race->n_failed++;
            continue;
        }
        race->id[i] = st.st_ino;
        race->n_late += is_late;
        race->n_missing += is_late && !top_of(race->t, st.st_ino);
        atomic_store(&race->n_made, i + 1);
    }
    return NULL;
}

static void remove_many(struct trace_fixture *t)
{
    char path[64];

    for (unsigned int i = 0; i < RACED; i++) {
        (void)snprintf(path, sizeof(path), "/top/%s%u", i % 3 ? "" : "in/", i);
        trace_rmdir(t, path);
    }
    trace_rmdir(t, "/top/in");
    trace_rmdir(t, "/top");
}

static void no_cgroup_slips_past_a_registration(void **state)
{
    struct trace_fixture *t = *state;
    unsigned int n_late = 0, n_early = 0;

    trace_fixture_attach(t);
    for (unsigned int wave = 0; wave < WAVES; wave++) {
        static struct race race;
        pthread_t thread;
        uint64_t top;

        memset(&race, 0, sizeof(race));
        race.t = t;
        top = trace_mkdir(t, "/top");
        (void)trace_mkdir(t, "/top/in");
        assert_int_equal(pthread_create(&thread, NULL, make_many, &race), 0);
        while (atomic_load(&race.n_made) < (wave + 1) * RACED / (WAVES + 1))
            ;
        add(t, top);
        atomic_store(&race.is_added, true);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(race.n_failed, 0);
        assert_int_equal(race.n_missing, 0);
        for (unsigned int i = 0; i < RACED; i++)
            if (top_of(t, race.id[i]) != top)
                fail_msg("wave %u: cgroup %u is in no container", wave, i);
        n_late += race.n_late;
        n_early += RACED - race.n_late;
        remove_many(t);
        for (unsigned int i = 0; i < RACED; i++)
            assert_int_equal(top_of(t, race.id[i]), 0);
    }
    assert_true(n_late > 0 && n_early > 0); /* else there was no race */
    print_message("%u made before, %u after\n", n_early, n_late);
}

int main(void)
{
#define TRACE_TEST(fn)                                       \
    cmocka_unit_test_setup_teardown(fn, trace_fixture_setup, \
                                    trace_fixture_teardown)
    const struct CMUnitTest tests[] = {
        TRACE_TEST(cgroups_below_are_in_it_old_and_new),
        TRACE_TEST(the_nearest_top_above_counts),
        TRACE_TEST(a_top_takes_its_rows_along_and_says_so),
        TRACE_TEST(what_finds_no_room_is_counted_and_made_up_for),
        TRACE_TEST(no_cgroup_slips_past_a_registration),
    };

    return cmocka_run_group_tests(tests, trace_group_setup,
                                  trace_group_teardown);
}
