/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What becomes of slots and pins when policies follow each other. */
#include "loader/tables.h"

#include <fcntl.h>

#include <bpf/bpf.h>

#include "bpf/slot.h"
#include "harness/test.h"
#include "loader/exelive.h"
#include "loader/load.h"

static const char policy[] =
    "{\"version\":1,\"endpoints\":{\"imds\":{\"mode\":\"enforce\","
    "\"defaultAccess\":\"allow\",\"id\":\"t\"}}}";

/* Of one identity, which has that selector. */
#define POLICY_OF(selector)                                         \
    "{\"version\":1,\"endpoints\":{\"imds\":{\"mode\":\"enforce\"," \
    "\"defaultAccess\":\"deny\",\"id\":\"t\",\"rules\":{"           \
    "\"privileges\":[{\"name\":\"p\",\"path\":\"/\"}],"             \
    "\"roles\":[{\"name\":\"r\",\"privileges\":[\"p\"]}],"          \
    "\"identities\":[{\"name\":\"i\"," selector "}],"               \
    "\"roleAssignments\":[{\"role\":\"r\",\"identities\":[\"i\"]}]}}}}"

static const char policy_of_a_file[] = POLICY_OF("\"exePath\":\"/bin/true\"");

static void apply_often(struct slot_fixture *fx, const struct msp_image *image,
                        int times)
{
    for (int i = 0; i < times; i++)
        assert_ok(slot_fixture_try(fx, image));
}

/* How many slots hold a policy. */
static unsigned int n_filled(const struct msp_meta *meta)
{
    unsigned int n = 0;

    for (int i = 0; i < MSP_SLOTS; i++)
        n += meta->slot[i].generation != 0;
    return n;
}

static bool is_pinned(const struct msp_loader *loader, uint64_t generation)
{
    char path[MSP_PIN_PATH_BYTES];

    msp_pins_gen_path(&loader->pins, generation, false, NULL, path);
    return access(path, F_OK) == 0;
}

/* A descriptor that is no map in the place of one. */
static int break_outer(struct msp_loader *loader, const char *name)
{
    int fd = msp_loader_map_fd(loader, name);
    msp_autoclose int none = open("/dev/null", O_RDWR | O_CLOEXEC);
    int saved = dup(fd);

    assert_true(none >= 0 && saved >= 0);
    assert_int_equal(dup2(none, fd), fd);
    return saved;
}

static void mend_outer(struct msp_loader *loader, const char *name, int saved)
{
    int fd = msp_loader_map_fd(loader, name);

    assert_int_equal(dup2(saved, fd), fd);
    (void)close(saved);
}

static void what_cannot_be_published_leaves_its_slot_shut(void **state)
{
    static const char *const names[] = {"msp_ep_lpm", "msp_pairs",
                                        "msp_pr_names"};
    struct slot_fixture *fx = *state;
    struct msp_loader *loader = slot_fixture_loader(fx);
    msp_autofree uint8_t *bytes = NULL;
    struct msp_image image;

    slot_fixture_compile(policy, &bytes, &image);
    apply_often(fx, &image, MSP_SLOTS + 1);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        uint64_t before = msp_tables_live(loader).generation;
        uint32_t live = loader->meta->live;
        int saved;

        assert_int_equal(n_filled(loader->meta), MSP_SLOTS);
        saved = break_outer(loader, names[i]);
        assert_true(slot_fixture_try(fx, &image) < 0);
        mend_outer(loader, names[i], saved);
        assert_non_null(strstr(loader->why, names[i]));
        assert_int_equal(n_filled(loader->meta), MSP_SLOTS - 1);
        assert_int_equal(loader->meta->live, live);
        assert_int_equal(msp_tables_live(loader).generation, before);
        assert_false(is_pinned(loader, before + 1));
        /* and nothing is in the way of the next one */
        assert_ok(slot_fixture_try(fx, &image));
        assert_int_equal(msp_tables_live(loader).generation, before + 1);
    }
}

/* Pushes come faster than a program that was begun under the oldest ends. */
static void what_was_live_until_now_keeps_its_maps(void **state)
{
    struct slot_fixture *fx = *state;
    struct msp_loader *loader = slot_fixture_loader(fx);
    msp_autofree uint8_t *bytes = NULL;
    struct msp_image image;
    uint64_t limit;

    slot_fixture_compile(policy, &bytes, &image);
    apply_often(fx, &image, 2);
    limit = msp_tables_live(loader).generation;
    apply_often(fx, &image, MSP_SLOTS);
    for (int i = 0; i < MSP_SLOTS; i++)
        assert_int_not_equal(loader->meta->slot[i].generation, limit);
    msp_tables_sweep(loader, limit);
    assert_false(is_pinned(loader, limit - 1));
    assert_true(is_pinned(loader, limit));
    msp_tables_sweep(loader, limit + 1);
    assert_false(is_pinned(loader, limit));
    assert_true(is_pinned(loader, limit + 1));
}

/* The stamp of a file's row in the live slot. */
static uint64_t stamp_of(const struct msp_loader *loader,
                         const struct msp_exe *exe)
{
    struct msp_exe_row row = {0};
    char path[MSP_PIN_PATH_BYTES];
    msp_autoclose int fd = -1;

    msp_pins_gen_path(&loader->pins, msp_tables_live(loader).generation, false,
                      "msp_exe", path);
    fd = bpf_obj_get(path);
    assert_true(fd >= 0);
    assert_ok(bpf_map_lookup_elem(fd, exe, &row));
    return row.stamp;
}

/* Connects tell by it that a row was written while they read it. */
static void no_two_rows_are_written_with_one_stamp(void **state)
{
    struct slot_fixture *fx = *state;
    struct msp_loader *loader = slot_fixture_loader(fx);
    struct msp_exe_entry entry[2] = {{.key = {.ino = 1}}, {.key = {.ino = 2}}};
    struct msp_exe_rows rows = {.entry = entry, .n = ARRAY_SIZE(entry)};
    struct msp_exe_rows none = {0};
    msp_cleanup(msp_exe_rows_done) struct msp_exe_rows read = {0};
    msp_autofree uint8_t *bytes = NULL;
    struct msp_image image;
    uint64_t first, last = 0;

    slot_fixture_compile(policy_of_a_file, &bytes, &image);
    apply_often(fx, &image, 1);
    for (int i = 0; i < 100; i++) {
        assert_ok(msp_exe_live_write(loader, &none, &rows));
        first = stamp_of(loader, &entry[0].key);
        assert_true(first > last);
        last = stamp_of(loader, &entry[1].key);
        assert_true(last > first);
    }
    /* what was not changed is not written, as mspd reads it when it starts */
    assert_ok(msp_exe_live_read(loader, &read));
    entry[1].row.path = 1;
    assert_ok(msp_exe_live_write(loader, &read, &rows));
    assert_int_equal(stamp_of(loader, &entry[0].key), first);
    assert_true(stamp_of(loader, &entry[1].key) > last);
}

/* Groups are not looked at where nobody is told by one, and only there. */
static void groups_count_where_one_is_asked_for(void **state)
{
    static const struct {
        const char *policy;
        bool are_asked;
    } cases[] = {
        {POLICY_OF("\"uid\":1"), false},
        {POLICY_OF("\"gid\":1"), true},
        {POLICY_OF("\"uid\":1,\"gid\":1"), true},
        {policy, false},
    };
    struct slot_fixture *fx = *state;
    struct msp_loader *loader = slot_fixture_loader(fx);

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        msp_autofree uint8_t *bytes = NULL;
        struct msp_image image;
        uint32_t flags;

        slot_fixture_compile(cases[i].policy, &bytes, &image);
        apply_often(fx, &image, 1);
        flags = loader->meta->slot[loader->meta->live].flags;
        assert_int_equal(!(flags & MSP_SLOT_NO_GID), cases[i].are_asked);
    }
}

#define SLOT_TEST(f)                                       \
    cmocka_unit_test_setup_teardown(f, slot_fixture_setup, \
                                    slot_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SLOT_TEST(what_cannot_be_published_leaves_its_slot_shut),
        SLOT_TEST(what_was_live_until_now_keeps_its_maps),
        SLOT_TEST(no_two_rows_are_written_with_one_stamp),
        SLOT_TEST(groups_count_where_one_is_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
