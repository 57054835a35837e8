/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "loader/pins.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "harness/test.h"

/* The tree on a plain directory: states and removal do not need bpffs. */
struct tree {
    char dir[64];
    struct msp_pins pins;
};

static const char *const links[] = {"first", "last", NULL};
static const char *const progs[] = {"p", NULL};
static const char *const maps[] = {"m", NULL};

static int setup(void **state)
{
    static const char *const folders[] = {"",      "/links", "/progs",
                                          "/maps", "/gen",   "/uplinks"};
    struct tree *tree = calloc(1, sizeof(*tree));

    *state = tree;
    if (!tree)
        return -1;
    (void)snprintf(tree->dir, sizeof(tree->dir), "/tmp/msp-pins-XXXXXX");
    if (!mkdtemp(tree->dir))
        return -1;
    (void)snprintf(tree->pins.dir, sizeof(tree->pins.dir), "%s", tree->dir);
    (void)snprintf(tree->pins.root, sizeof(tree->pins.root), "%s/layout",
                   tree->dir);
    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        char path[128];

        (void)snprintf(path, sizeof(path), "%s/layout%s", tree->dir,
                       folders[i]);
        if (mkdir(path, 0700) < 0)
            return -1;
    }
    return 0;
}

static int teardown(void **state)
{
    static const char *const folders[] = {"/links", "/progs",   "/maps",
                                          "/gen",   "/uplinks", ""};
    struct tree *tree = *state;

    (void)msp_pins_clear(&tree->pins);
    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        char path[128];

        (void)snprintf(path, sizeof(path), "%s/layout%s", tree->dir,
                       folders[i]);
        (void)rmdir(path);
    }
    (void)rmdir(tree->dir);
    free(tree);
    return 0;
}

static void put(const struct tree *tree, const char *folder, const char *name)
{
    char path[MSP_PIN_PATH_BYTES];
    int fd;

    msp_pins_path(&tree->pins, folder, name, false, path);
    fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
}

static enum msp_pins_state state_of(const struct tree *tree)
{
    char missing[MSP_PIN_PATH_BYTES] = "";

    return msp_pins_state(&tree->pins, links, progs, maps, missing);
}

static void last_link_decides_whether_a_tree_is_live(void **state)
{
    struct tree *tree = *state;

    assert_int_equal(state_of(tree), MSP_PINS_EMPTY);
    put(tree, "maps", "m");
    assert_int_equal(state_of(tree), MSP_PINS_LEFTOVER);
    put(tree, "links", "first");
    assert_int_equal(state_of(tree), MSP_PINS_LEFTOVER);
    put(tree, "links", "last");
    assert_int_equal(state_of(tree), MSP_PINS_BROKEN);
    put(tree, "progs", "p");
    assert_int_equal(state_of(tree), MSP_PINS_LIVE);
}

static void broken_tree_names_what_is_missing(void **state)
{
    struct tree *tree = *state;
    char missing[MSP_PIN_PATH_BYTES] = "";

    put(tree, "links", "last");
    put(tree, "links", "first");
    put(tree, "progs", "p");
    assert_int_equal(msp_pins_state(&tree->pins, links, progs, maps, missing),
                     MSP_PINS_BROKEN);
    assert_non_null(strstr(missing, "/maps/m"));
}

static void count(void *data, uint64_t generation)
{
    uint64_t *sum = data;

    *sum += generation;
}

static void half_made_generations_are_removed_on_the_way(void **state)
{
    struct tree *tree = *state;
    char path[MSP_PIN_PATH_BYTES];
    uint64_t sum = 0;

    msp_pins_gen_path(&tree->pins, 7, false, NULL, path);
    assert_ok(mkdir(path, 0700));
    msp_pins_gen_path(&tree->pins, 12, false, NULL, path);
    assert_ok(mkdir(path, 0700));
    msp_pins_gen_path(&tree->pins, 13, true, NULL, path);
    assert_ok(mkdir(path, 0700));
    assert_ok(msp_pins_each_gen(&tree->pins, count, &sum));
    assert_int_equal(sum, 19);
    assert_int_equal(access(path, F_OK), -1);
}

static void clear_leaves_nothing(void **state)
{
    struct tree *tree = *state;
    char path[MSP_PIN_PATH_BYTES];

    put(tree, "maps", "m");
    put(tree, "links", "first");
    msp_pins_gen_path(&tree->pins, 7, false, NULL, path);
    assert_ok(mkdir(path, 0700));
    put(tree, "gen/7", "msp_eps");
    assert_ok(msp_pins_clear(&tree->pins));
    assert_int_equal(state_of(tree), MSP_PINS_EMPTY);
}

/* --- other layouts ------------------------------------------------------- */

static void make_dir(const struct tree *tree, const char *name)
{
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/%s", tree->dir, name);
    assert_ok(mkdir(path, 0700));
}

/* Sums the numbers of the layouts; 13 ends it. */
static int add_layout(void *data, const char *root)
{
    int *sum = data;
    int number = atoi(strrchr(root, '-') + 1);

    *sum += number;
    return number == 13 ? 77 : 0;
}

static void other_layouts_are_those_with_another_number(void **state)
{
    static const char *const names[] = {"layout-4",  "layout-40", "layout-",
                                        "layout-4x", "lay-8",     "layout--1"};
    struct tree *tree = *state;
    char path[128];
    int sum = 0;

    (void)snprintf(tree->pins.root, sizeof(tree->pins.root), "%s/layout-4",
                   tree->dir);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        make_dir(tree, names[i]);
    assert_ok(msp_pins_each_other(&tree->pins, add_layout, &sum));
    assert_int_equal(sum, 40);
    make_dir(tree, "layout-13");
    assert_int_equal(msp_pins_each_other(&tree->pins, add_layout, &sum), 77);
    (void)snprintf(path, sizeof(path), "%s/layout-13", tree->dir);
    assert_ok(rmdir(path));
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", tree->dir, names[i]);
        assert_ok(rmdir(path));
    }
    (void)snprintf(tree->pins.root, sizeof(tree->pins.root), "%s/layout",
                   tree->dir);
}

static void a_tree_is_removed_whole(void **state)
{
    struct tree *tree = *state;

    assert_false(msp_pins_has_link(tree->pins.root));
    put(tree, "maps", "m");
    assert_false(msp_pins_has_link(tree->pins.root));
    put(tree, "links", "any");
    assert_true(msp_pins_has_link(tree->pins.root));
    assert_ok(msp_pins_remove_tree(tree->pins.root));
    assert_int_equal(access(tree->pins.root, F_OK), -1);
    assert_ok(msp_pins_remove_tree(tree->pins.root));
    assert_false(msp_pins_has_link(tree->pins.root));
}

static void refuses_a_directory_that_is_not_bpffs(void **state)
{
    struct tree *tree = *state;
    struct msp_pins pins;

    assert_errno(msp_pins_open(&pins, tree->dir), EINVAL);
    assert_errno(msp_pins_open(&pins, "relative"), EINVAL);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(last_link_decides_whether_a_tree_is_live),
        TEST(broken_tree_names_what_is_missing),
        TEST(half_made_generations_are_removed_on_the_way),
        TEST(clear_leaves_nothing),
        TEST(other_layouts_are_those_with_another_number),
        TEST(a_tree_is_removed_whole),
        TEST(refuses_a_directory_that_is_not_bpffs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
