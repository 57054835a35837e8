/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Paths of cgroups by id, asked of the kernel, as the log has them. */
#include "daemon/cgpaths.h"

#include <ftw.h>
#include <limits.h>
#include <mntent.h>
#include <sys/stat.h>

#include "bpf/slot.h"
#include "harness/test.h"
#include "loader/iter.h"

struct tree {
    char root[256]; /* mount of cgroup v2 */
    char top[64];   /* the test's own cgroup, below the root */
};

static void find_root(char *ret, size_t size)
{
    FILE *mounts = setmntent("/proc/self/mounts", "re");
    const struct mntent *entry;

    assert_non_null(mounts);
    ret[0] = '\0';
    while (!ret[0] && (entry = getmntent(mounts))) {
        if (msp_streq(entry->mnt_type, "cgroup2"))
            (void)snprintf(ret, size, "%s", entry->mnt_dir);
    }
    (void)endmntent(mounts);
    assert_true(ret[0] == '/');
}

static void on_disk(const struct tree *tree, const char *path,
                    char ret[PATH_MAX])
{
    (void)snprintf(ret, PATH_MAX, "%s%s%s", tree->root, tree->top, path);
}

/* @return the id of a cgroup below the test's, made if it is not there */
static uint64_t make(const struct tree *tree, const char *path)
{
    char full[PATH_MAX];
    struct stat st;

    on_disk(tree, path, full);
    assert_true(mkdir(full, 0755) == 0 || errno == EEXIST);
    assert_ok(stat(full, &st));
    return st.st_ino;
}

static void drop(const struct tree *tree, const char *path)
{
    char full[PATH_MAX];

    on_disk(tree, path, full);
    assert_ok(rmdir(full));
}

static void tree_name(struct tree *tree)
{
    find_root(tree->root, sizeof(tree->root));
    (void)snprintf(tree->top, sizeof(tree->top), "/msp-cgpaths-%d", getpid());
}

static void tree_init(struct tree *tree)
{
    tree_name(tree);
    (void)make(tree, "");
}

static int remove_dir(const char *path, const struct stat *st, int type,
                      struct FTW *at)
{
    (void)st;
    (void)at;
    if (type == FTW_DP)
        (void)rmdir(path);
    return 0;
}

/* Also after a test that failed half-way. */
static int remove_all(void **state)
{
    char full[PATH_MAX];
    struct tree tree;

    (void)state;
    tree_name(&tree);
    on_disk(&tree, "", full);
    (void)nftw(full, remove_dir, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}

static void expect(struct msp_cgpaths *paths, const struct tree *tree,
                   uint64_t id, const char *path)
{
    char full[PATH_MAX];
    const char *found = msp_cgpaths_find(paths, id);

    (void)snprintf(full, sizeof(full), "%s%s", tree->top, path);
    assert_non_null(found);
    assert_string_equal(found, full);
}

static void a_path_is_every_name_from_the_root(void **state)
{
    msp_cleanup(msp_cgpaths_done) struct msp_cgpaths paths = {
        .loader = slot_fixture_loader(*state)};
    char name[NAME_MAX + 2], deep[NAME_MAX + 8];
    struct tree tree;
    struct stat st;
    uint64_t id;

    tree_init(&tree);
    expect(&paths, &tree, make(&tree, ""), "");
    expect(&paths, &tree, make(&tree, "/a b"), "/a b");
    expect(&paths, &tree, make(&tree, "/a b/c"), "/a b/c");
    memset(name, 'n', sizeof(name));
    name[0] = '/';
    name[sizeof(name) - 1] = '\0';
    expect(&paths, &tree, make(&tree, name), name);
    (void)snprintf(deep, sizeof(deep), "%s/x", name);
    id = make(&tree, deep);
    expect(&paths, &tree, id, deep);
    assert_ok(stat(tree.root, &st));
    assert_string_equal(msp_cgpaths_find(&paths, st.st_ino), "/");
}

static void what_is_gone_has_a_path_if_it_was_asked_for(void **state)
{
    msp_cleanup(msp_cgpaths_done) struct msp_cgpaths paths = {
        .loader = slot_fixture_loader(*state)};
    uint64_t known, unknown;
    struct tree tree;

    tree_init(&tree);
    known = make(&tree, "/known");
    unknown = make(&tree, "/unknown");
    expect(&paths, &tree, known, "/known");
    drop(&tree, "/known");
    drop(&tree, "/unknown");
    expect(&paths, &tree, known, "/known");
    assert_null(msp_cgpaths_find(&paths, unknown));
    assert_null(msp_cgpaths_find(&paths, 0));
    assert_null(msp_cgpaths_find(&paths, UINT64_MAX));
}

static void more_than_are_kept_are_all_right(void **state)
{
    msp_cleanup(msp_cgpaths_done) struct msp_cgpaths paths = {
        .loader = slot_fixture_loader(*state)};

    enum {
        N = 2 * MSP_CGPATHS_KEPT + 3
    };

    uint64_t id[N];
    char name[16];
    struct tree tree;

    tree_init(&tree);
    for (int i = 0; i < N; i++) {
        (void)snprintf(name, sizeof(name), "/%d", i);
        id[i] = make(&tree, name);
    }
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < N; i++) {
            (void)snprintf(name, sizeof(name), "/%d", i);
            expect(&paths, &tree, id[i], name);
        }
    }
}

static void a_path_that_does_not_fit_is_none(void **state)
{
    struct msp_loader *loader = slot_fixture_loader(*state);
    char path[64];
    struct tree tree;
    uint64_t id;
    size_t len;

    tree_init(&tree);
    id = make(&tree, "/x");
    len = strlen(tree.top) + 2;
    for (size_t size = 1; size <= len; size++)
        assert_int_equal(msp_iter_cgroup_path(loader, id, path, size),
                         -ENAMETOOLONG);
    assert_ok(msp_iter_cgroup_path(loader, id, path, len + 1));
    assert_int_equal(strlen(path), len);
}

#define T(test) cmocka_unit_test_teardown(test, remove_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_path_is_every_name_from_the_root),
        T(what_is_gone_has_a_path_if_it_was_asked_for),
        T(more_than_are_kept_are_all_right),
        T(a_path_that_does_not_fit_is_none),
    };

    return cmocka_run_group_tests(tests, slot_fixture_setup,
                                  slot_fixture_teardown);
}
