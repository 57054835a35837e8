/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Registrations whose cgroup goes at the worst moment: none of them stays. The
 * linker puts the functions here in front of those of the store, so that the
 * cgroup goes between the look at it and its row.
 */
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

#include <msp/cleanup.h>

#include "bpf/trace.h"
#include "daemon/containers.h"
#include "harness/test.h"

int __real_msp_ctr_store_put(const struct msp_ctr_store *store,
                             uint64_t cgroup_id, const void *text, size_t len);
int __wrap_msp_ctr_store_put(const struct msp_ctr_store *store,
                             uint64_t cgroup_id, const void *text, size_t len);

struct registry {
    struct trace_fixture *t;
    struct msp_containers c;
    char run[32];
    int run_fd, mount_fd;
};

static struct trace_fixture *doomed; /* NULL: no cgroup goes */

int __wrap_msp_ctr_store_put(const struct msp_ctr_store *store,
                             uint64_t cgroup_id, const void *text, size_t len)
{
    if (doomed)
        trace_rmdir(doomed, "/top");
    return __real_msp_ctr_store_put(store, cgroup_id, text, len);
}

static struct msp_loader *loader_of(struct registry *g)
{
    return slot_fixture_loader(trace_fixture_slot(g->t));
}

static int setup(void **state)
{
    struct registry *g = calloc(1, sizeof(*g));
    void *trace = NULL;
    char mount[512];

    assert_non_null(g);
    doomed = NULL;
    assert_ok(trace_fixture_setup(&trace));
    g->t = trace;
    (void)snprintf(g->run, sizeof(g->run), "/tmp/msp-registry-XXXXXX");
    assert_non_null(mkdtemp(g->run));
    g->run_fd = open(g->run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    (void)snprintf(mount, sizeof(mount), "%s/..", trace_fixture_cgroup(g->t));
    g->mount_fd = open(mount, O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_true(g->run_fd >= 0 && g->mount_fd >= 0);
    assert_ok(msp_containers_open(&g->c, loader_of(g), g->run_fd, g->mount_fd));
    *state = g;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static int teardown(void **state)
{
    struct registry *g = *state;
    void *trace = g->t;

    msp_containers_done(&g->c);
    (void)close(g->run_fd);
    (void)close(g->mount_fd);
    (void)nftw(g->run, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    (void)trace_fixture_teardown(&trace);
    free(g);
    return 0;
}

static struct msp_container_result set(struct registry *g, const char *below)
{
    char text[512];

    (void)snprintf(text, sizeof(text), "scgroup=/%s%s\n\n",
                   trace_fixture_name(g->t), below);
    return msp_containers_set(&g->c, text, strlen(text), true);
}

static bool has_file(const struct registry *g, uint64_t id)
{
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/containers/%llu", g->run,
                   (unsigned long long)id);
    return access(path, F_OK) == 0;
}

static void expect_none(struct registry *g, uint64_t id)
{
    assert_int_equal(g->c.n, 0);
    assert_int_equal(msp_ctr_top_of(loader_of(g), id), 0);
    assert_false(has_file(g, id));
}

static void one_that_goes_while_it_is_registered_is_not(void **state)
{
    struct registry *g = *state;
    struct msp_container_result result;
    uint64_t id;

    trace_fixture_attach(g->t);
    id = trace_mkdir(g->t, "/top");
    doomed = g->t;
    result = set(g, "/top");
    assert_int_equal(result.status, MSP_CTL_INVALID);
    assert_true(result.is_gone);
    assert_null(result.entry);
    expect_none(g, id);
}

static void one_whose_row_stayed_is_found_by_turns(void **state)
{
    enum {
        N = MSP_CONTAINERS_LOOKS + 6
    };

    struct registry *g = *state;
    uint64_t id[N];
    char below[16];

    /* no program takes rows away here, or tells of it */
    for (int i = 0; i < N; i++) {
        (void)snprintf(below, sizeof(below), "/c%d", i);
        id[i] = trace_mkdir(g->t, below);
        assert_int_equal(set(g, below).status, MSP_CTL_OK);
        assert_true(msp_ctr_top_of(loader_of(g), id[i]) == id[i]);
        assert_true(has_file(g, id[i]));
    }
    msp_containers_sweep(&g->c);
    msp_containers_sweep(&g->c);
    assert_int_equal(g->c.n, N); /* they are all there */
    for (int i = 0; i < N; i++) {
        (void)snprintf(below, sizeof(below), "/c%d", i);
        trace_rmdir(g->t, below);
    }
    msp_containers_sweep(&g->c);
    assert_in_range(g->c.n, 1, N - 1); /* not all at once */
    msp_containers_sweep(&g->c);
    msp_containers_sweep(&g->c);
    for (int i = 0; i < N; i++)
        expect_none(g, id[i]);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(one_that_goes_while_it_is_registered_is_not),
        CASE(one_whose_row_stayed_is_found_by_turns),
    };

    return cmocka_run_group_tests(tests, trace_group_setup,
                                  trace_group_teardown);
}
