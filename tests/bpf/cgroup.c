/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * States of cgroups: written as a cgroup is made, gone with it, and the same
 * whether mkdir or the iterator finds them. Every automaton here begins with
 * the test's own cgroup, so no other one gets a row but the root.
 */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <bpf/bpf.h>

#include "bpf/trace.h"
#include "harness/test.h"
#include "loader/events.h"
#include "loader/iter.h"

#define ANY  "" /* the edge of any other name */
#define NONE UINT32_MAX

enum {
    OWN = 1, /* state of the test's cgroup */
    EDGES_MAX = 64
};

struct slot {
    int edges, rows;
};

struct edge {
    uint32_t from;
    const char *name;
    uint32_t to;
};

static void add_edge(const struct slot *slot, uint32_t from, const char *name,
                     uint32_t to)
{
    struct msp_cg_key key = {.state = from};

    assert_true(strlen(name) < sizeof(key.name));
    memcpy(key.name, name, strlen(name));
    assert_ok(bpf_map_update_elem(slot->edges, &key, &to, BPF_ANY));
}

/* Tables of a slot as mspd makes them: edges, then room for rows. */
static struct slot make_slot(struct trace_fixture *t, uint32_t index,
                             uint32_t n_rows)
{
    struct slot slot;

    slot.edges =
        trace_table(t, "msp_cg_edges", "msp_t_cg_edge", index, EDGES_MAX);
    add_edge(&slot, MSP_CG_ROOT, trace_fixture_name(t), OWN);
    slot.rows = trace_table(t, "msp_cgroup", "msp_t_cgroup", index, n_rows);
    return slot;
}

static void add_edges(const struct slot *slot, const struct edge *edges,
                      size_t n)
{
    for (size_t i = 0; i < n; i++)
        add_edge(slot, edges[i].from, edges[i].name, edges[i].to);
}

static void close_slot(const struct slot *slot)
{
    (void)close(slot->edges);
    (void)close(slot->rows);
}

static uint32_t state_of(const struct slot *slot, uint64_t id)
{
    uint32_t state = NONE;

    if (bpf_map_lookup_elem(slot->rows, &id, &state) < 0)
        return NONE;
    return state;
}

static unsigned int count_rows(const struct slot *slot)
{
    uint64_t id = 0, next;
    unsigned int n = 0;

    while (bpf_map_get_next_key(slot->rows, n ? &id : NULL, &next) == 0) {
        id = next;
        n++;
    }
    return n;
}

static void run_iterator(struct trace_fixture *t)
{
    struct msp_loader *loader = slot_fixture_loader(trace_fixture_slot(t));

    if (msp_iter_cgroups(loader) < 0)
        fail_msg("%s", loader->why);
}

/* Makes cgroups and says what the kernel wrote for each of them. */
struct want {
    const char *path;
    uint32_t state;
};

static void expect_tree(struct trace_fixture *t, const struct slot *slot,
                        const struct want *want, size_t n)
{
    uint64_t id[16];

    assert_true(n <= ARRAY_SIZE(id));
    for (size_t i = 0; i < n; i++) {
        id[i] = trace_mkdir(t, want[i].path);
        if (state_of(slot, id[i]) != want[i].state)
            fail_msg("%s: state %u", want[i].path, state_of(slot, id[i]));
    }
    run_iterator(t); /* agrees with what mkdir did */
    for (size_t i = 0; i < n; i++)
        assert_int_equal(state_of(slot, id[i]), want[i].state);
    for (size_t i = n; i-- > 0;) {
        trace_rmdir(t, want[i].path);
        assert_int_equal(state_of(slot, id[i]), NONE);
    }
}

static void a_state_follows_from_parent_and_name(void **state)
{
    static const struct edge edges[] = {
        /* a literal, under it a wildcard, a subtree */
        {OWN, "web", 2},  {2, ANY, 3},  {3, "leaf", 4},
        {OWN, "tree", 5}, {5, ANY, 5},  {OWN, ANY, 6},
        {6, "x", 7},      {5, "in", 8}, {8, ANY, 5},
    };
    static const struct want want[] = {
        {"/web", 2},
        {"/web/any", 3},
        {"/web/any/leaf", 4},
        {"/web/any/no", NONE},
        {"/web/any/leaf/below", NONE},
        {"/tree", 5},
        {"/tree/in", 8},
        {"/tree/in/deep", 5},
        {"/tree/a b\\x", 5},
        {"/other", 6},
        {"/other/x", 7},
        {"/other/y", NONE},
        {"/other/y/x", NONE},
    };
    struct trace_fixture *t = *state;
    struct slot slot = make_slot(t, 0, 64);
    struct stat st;

    assert_ok(stat(trace_fixture_cgroup(t), &st));
    add_edges(&slot, edges, ARRAY_SIZE(edges));
    run_iterator(t); /* the test's own cgroup was there before */
    assert_int_equal(state_of(&slot, st.st_ino), OWN);
    expect_tree(t, &slot, want, ARRAY_SIZE(want));
    assert_int_equal(count_rows(&slot), 2); /* the root and our own */
    close_slot(&slot);
}

static void a_long_name_is_compared_whole(void **state)
{
    struct trace_fixture *t = *state;
    struct slot slot = make_slot(t, 0, 64);
    /* the longest a policy can have, and two that begin with it */
    char longest[MSP_CG_NAME_BYTES], path[300];

    memset(longest, 'n', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    add_edge(&slot, OWN, longest, 2);
    add_edge(&slot, OWN, ANY, 3);
    run_iterator(t);
    (void)snprintf(path, sizeof(path), "/%s", longest);
    expect_tree(t, &slot, (struct want[]){{path, 2}}, 1);
    (void)snprintf(path, sizeof(path), "/%.126s", longest);
    expect_tree(t, &slot, (struct want[]){{path, 3}}, 1);
    (void)snprintf(path, sizeof(path), "/%sn", longest);
    expect_tree(t, &slot, (struct want[]){{path, 3}}, 1);
    memset(path, 'n', sizeof(path));
    path[0] = '/';
    path[NAME_MAX + 1] = '\0';
    expect_tree(t, &slot, (struct want[]){{path, 3}}, 1);
    close_slot(&slot);
}

static void depth_does_not_matter(void **state)
{
    struct trace_fixture *t = *state;
    struct slot slot = make_slot(t, 0, 64);
    char path[PATH_MAX] = "";
    uint64_t id[40];

    add_edge(&slot, OWN, ANY, 2);
    add_edge(&slot, 2, ANY, 2);
    run_iterator(t);
    for (size_t i = 0; i < ARRAY_SIZE(id); i++) {
        memcpy(path + 2 * i, "/d", 3);
        id[i] = trace_mkdir(t, path);
        assert_int_equal(state_of(&slot, id[i]), 2);
    }
    for (size_t i = ARRAY_SIZE(id); i-- > 0;) {
        trace_rmdir(t, path);
        path[2 * i] = '\0';
        assert_int_equal(state_of(&slot, id[i]), NONE);
    }
    close_slot(&slot);
}

static void every_slot_has_its_own_states(void **state)
{
    struct trace_fixture *t = *state;
    struct slot slot[MSP_SLOTS];
    uint64_t id;

    /* the last one has no tables */
    for (uint32_t i = 0; i + 1 < MSP_SLOTS; i++) {
        slot[i] = make_slot(t, i, 64);
        add_edge(&slot[i], OWN, "web", 10 + i);
    }
    run_iterator(t);
    id = trace_mkdir(t, "/web");
    for (uint32_t i = 0; i + 1 < MSP_SLOTS; i++)
        assert_int_equal(state_of(&slot[i], id), 10 + i);
    trace_rmdir(t, "/web");
    for (uint32_t i = 0; i + 1 < MSP_SLOTS; i++) {
        assert_int_equal(state_of(&slot[i], id), NONE);
        close_slot(&slot[i]);
    }
}

static void the_iterator_leaves_what_should_be_there_and_no_more(void **state)
{
    struct trace_fixture *t = *state;
    struct slot slot = make_slot(t, 0, 64);
    uint64_t web = trace_mkdir(t, "/web"), below = trace_mkdir(t, "/web/b");
    uint64_t other = trace_mkdir(t, "/other");
    uint32_t wrong = 9;

    /* as a mkdir may have left them while the slot's tables were exchanged */
    assert_ok(bpf_map_update_elem(slot.rows, &web, &wrong, BPF_ANY));
    assert_ok(bpf_map_update_elem(slot.rows, &below, &wrong, BPF_ANY));
    assert_ok(bpf_map_update_elem(slot.rows, &other, &wrong, BPF_ANY));
    add_edge(&slot, OWN, "web", 2);
    run_iterator(t);
    assert_int_equal(state_of(&slot, web), 2);
    assert_int_equal(state_of(&slot, below), NONE);
    assert_int_equal(state_of(&slot, other), NONE);
    assert_int_equal(count_rows(&slot), 3);
    trace_rmdir(t, "/other");
    trace_rmdir(t, "/web/b");
    trace_rmdir(t, "/web");
    close_slot(&slot);
}

/* Its socket keeps the cgroup, which it has left. */
static pid_t hold_cgroup(struct trace_fixture *t, const char *below)
{
    char dir[PATH_MAX];
    int ready[2];
    pid_t pid;
    char c;

    (void)snprintf(dir, sizeof(dir), "%s%s", trace_fixture_cgroup(t), below);
    assert_ok(pipe2(ready, O_CLOEXEC));
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        trace_move(dir, 0);
        if (socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) < 0)
            _exit(1);
        trace_move(trace_fixture_cgroup(t), 0);
        if (write(ready[1], "!", 1) == 1)
            (void)pause();
        _exit(1);
    }
    (void)close(ready[1]);
    assert_int_equal(read(ready[0], &c, 1), 1);
    (void)close(ready[0]);
    return pid;
}

static void one_that_is_removed_but_held_has_no_row(void **state)
{
    struct trace_fixture *t = *state;
    struct slot slot = make_slot(t, 0, 64);
    uint64_t id = trace_mkdir(t, "/held");
    pid_t pid = hold_cgroup(t, "/held");

    add_edge(&slot, OWN, ANY, 2);
    run_iterator(t);
    assert_int_equal(state_of(&slot, id), 2);
    trace_rmdir(t, "/held");
    assert_int_equal(state_of(&slot, id), NONE);
    run_iterator(t);
    assert_int_equal(state_of(&slot, id), NONE);
    assert_ok(kill(pid, SIGKILL));
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    close_slot(&slot);
}

static uint64_t count_dropped(struct trace_fixture *t)
{
    uint64_t n = 0;

    assert_ok(msp_events_stat(slot_fixture_loader(trace_fixture_slot(t)),
                              MSP_STAT_CGROUP_DROPPED, &n));
    return n;
}

static void a_full_table_gives_no_row(void **state)
{
    struct trace_fixture *t = *state;
    struct slot slot = make_slot(t, 0, 4); /* root, own and two more */
    struct msp_loader *loader = slot_fixture_loader(trace_fixture_slot(t));
    uint64_t dropped = count_dropped(t);
    uint64_t id[4];
    char path[16];

    add_edge(&slot, OWN, ANY, 2);
    run_iterator(t);
    for (int i = 0; i < 4; i++) {
        (void)snprintf(path, sizeof(path), "/%d", i);
        id[i] = trace_mkdir(t, path);
    }
    assert_int_equal(state_of(&slot, id[0]), 2);
    assert_int_equal(state_of(&slot, id[1]), 2);
    assert_int_equal(state_of(&slot, id[2]), NONE);
    assert_int_equal(state_of(&slot, id[3]), NONE);
    assert_int_equal(count_dropped(t), dropped + 2);
    trace_rmdir(t, "/0");
    id[0] = trace_mkdir(t, "/0");
    assert_int_equal(state_of(&slot, id[0]), 2); /* room again */
    assert_ok(msp_iter_cgroups_left(loader));
    assert_int_equal(loader->cgroups_left, 2); /* but not for the other two */
    assert_int_equal(state_of(&slot, id[2]), NONE);
    trace_rmdir(t, "/0");
    assert_ok(msp_iter_cgroups_left(loader));
    assert_int_equal(loader->cgroups_left, 1);
    assert_int_equal(state_of(&slot, id[2]), 2);
    trace_rmdir(t, "/1");
    assert_ok(msp_iter_cgroups_left(loader));
    assert_int_equal(loader->cgroups_left, 0);
    assert_int_equal(state_of(&slot, id[3]), 2);
    trace_rmdir(t, "/2");
    trace_rmdir(t, "/3");
    close_slot(&slot);
}

/* Makes and removes /NAME/sub in a hierarchy of cgroup v1. */
static void use_v1(struct trace_fixture *t, const char *dir, const char *name)
{
    struct slot slot = make_slot(t, 0, 64);
    char path[128], sub[160];
    struct stat st, st_sub;
    uint32_t mine = 9;

    add_edge(&slot, MSP_CG_ROOT, name, 2);
    add_edge(&slot, 2, ANY, 2);
    run_iterator(t);
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    (void)snprintf(sub, sizeof(sub), "%s/sub", path);
    /* its root has the id of the v2 root, which has a row */
    assert_ok(stat(dir, &st));
    assert_int_equal(state_of(&slot, st.st_ino), MSP_CG_ROOT);
    assert_ok(mkdir(path, 0755));
    assert_ok(mkdir(sub, 0755));
    assert_ok(stat(path, &st));
    assert_ok(stat(sub, &st_sub));
    assert_int_equal(count_rows(&slot), 2);
    /* a v2 cgroup of the same id keeps its row */
    assert_ok(bpf_map_update_elem(slot.rows, &st_sub.st_ino, &mine, BPF_ANY));
    assert_ok(rmdir(sub));
    assert_ok(rmdir(path));
    assert_int_equal(state_of(&slot, st_sub.st_ino), 9);
    close_slot(&slot);
}

static bool has_hierarchy(const char *name)
{
    msp_autofclose FILE *f = fopen("/proc/self/cgroup", "re");
    char line[256], field[64];
    bool is_there = false;

    assert_non_null(f);
    (void)snprintf(field, sizeof(field), ":name=%s:", name);
    while (!is_there && fgets(line, sizeof(line), f))
        is_there = strstr(line, field);
    return is_there;
}

static bool goes_soon(const char *name)
{
    for (int i = 0; i < 20; i++) {
        if (!has_hierarchy(name))
            return true;
        (void)usleep(10000);
    }
    return false;
}

/*
 * One whose last cgroup was removed just now outlives its mount, for good: it
 * is mounted and unmounted until that cgroup is gone as well.
 */
static void remove_hierarchy(const char *dir, const char *options,
                             const char *name)
{
    for (int i = 0; i < 50; i++) {
        assert_ok(umount2(dir, 0));
        if (goes_soon(name))
            return;
        assert_ok(mount("msp", dir, "cgroup", 0, options));
    }
    assert_ok(umount2(dir, 0));
    fail_msg("the hierarchy %s is left", name);
}

static void another_hierarchy_has_no_rows(void **state)
{
    char dir[] = "/tmp/msp-v1-XXXXXX", options[64];
    struct trace_fixture *t = *state;

    assert_non_null(mkdtemp(dir));
    (void)snprintf(options, sizeof(options), "none,name=%s", dir + 5);
    if (mount("msp", dir, "cgroup", 0, options) < 0) {
        (void)rmdir(dir);
        print_message("no cgroup v1 here\n");
        skip();
    }
    use_v1(t, dir, dir + 5);
    remove_hierarchy(dir, options, dir + 5);
    assert_ok(rmdir(dir));
}

enum {
    MANY = 64
};

/* @return ids in the order of the table's memory */
static void list_rows(const struct slot *slot, uint64_t ret[MANY + 2])
{
    for (int i = 0; i < MANY + 2; i++)
        assert_ok(
            bpf_map_get_next_key(slot->rows, i ? &ret[i - 1] : NULL, &ret[i]));
}

/*
 * Runs at every push, in the live slot too: a row that were replaced would
 * lend its memory to another one while a connect reads it. A replaced row
 * comes first among those of its hash, so the order would change.
 */
static void the_iterator_does_not_touch_rows_that_are_right(void **state)
{
    struct trace_fixture *t = *state;
    struct slot slot = make_slot(t, 0, MANY + 2);
    uint64_t id[MANY], before[MANY + 2], after[MANY + 2];
    uint32_t two = 2;
    char name[16];

    run_iterator(t); /* the root and our own */
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(name, sizeof(name), "/%d", i);
        id[i] = trace_mkdir(t, name);
    }
    add_edge(&slot, OWN, ANY, 2);
    /* against the order of the iterator */
    for (int i = MANY; i-- > 0;)
        assert_ok(bpf_map_update_elem(slot.rows, &id[i], &two, BPF_ANY));
    list_rows(&slot, before);
    run_iterator(t);
    list_rows(&slot, after);
    assert_memory_equal(before, after, sizeof(before));
    for (int i = MANY; i-- > 0;) {
        assert_int_equal(state_of(&slot, id[i]), 2);
        (void)snprintf(name, sizeof(name), "/%d", i);
        trace_rmdir(t, name);
    }
    close_slot(&slot);
}

static int setup(void **state)
{
    int r = trace_fixture_setup(state);

    if (r == 0)
        trace_fixture_attach(*state);
    return r;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_state_follows_from_parent_and_name),
        cmocka_unit_test(a_long_name_is_compared_whole),
        cmocka_unit_test(depth_does_not_matter),
        cmocka_unit_test(every_slot_has_its_own_states),
        cmocka_unit_test(the_iterator_leaves_what_should_be_there_and_no_more),
        cmocka_unit_test(one_that_is_removed_but_held_has_no_row),
        cmocka_unit_test(a_full_table_gives_no_row),
        cmocka_unit_test(another_hierarchy_has_no_rows),
        cmocka_unit_test(the_iterator_does_not_touch_rows_that_are_right),
    };

    return cmocka_run_group_tests(tests, setup, trace_fixture_teardown);
}
