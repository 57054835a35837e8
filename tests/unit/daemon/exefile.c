/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/exefile.h"

#include <linux/magic.h>
#include <sys/stat.h>

#include <msp/child.h>
#include <msp/fs.h>

#include "harness/test.h"

static const uint8_t hash_a[MSP_DIGEST_BYTES] = {0xaa};

static struct msp_file_fact fact(uint64_t ino)
{
    return (struct msp_file_fact){
        .exe = {.s_dev = 1, .generation = 2, .ino = ino},
        .ctime_sec = 100,
        .ctime_nsec = 5,
        .magic = EXT4_SUPER_MAGIC,
        .mode = S_IFREG | 0755,
        .nlink = 1,
    };
}

static int setup(void **state)
{
    struct msp_exe_file *file = calloc(1, sizeof(*file));

    *state = file;
    return file ? msp_exe_file_init(file, "/bin/tool") : -1;
}

static int teardown(void **state)
{
    msp_exe_file_done(*state);
    free(*state);
    return 0;
}

static bool see(struct msp_exe_file *file, uint64_t ino, uint64_t boot_ns)
{
    const struct msp_file_fact seen = fact(ino);

    return msp_exe_file_see(file, &seen, "/usr/bin/tool", boot_ns);
}

static void nothing_is_known_at_first(void **state)
{
    struct msp_exe_file *file = *state;

    assert_int_equal(file->why, MSP_EXE_NOT_ASKED);
    assert_false(file->has_current);
    assert_false(msp_exe_file_needs_hash(file));
}

static void a_file_is_seen_once(void **state)
{
    struct msp_exe_file *file = *state;

    assert_true(see(file, 10, 1));
    assert_true(file->has_current);
    assert_int_equal(file->why, MSP_EXE_OK);
    assert_int_equal(file->current.exe.ino, 10);
    assert_int_equal(file->current.retired_ns, 0);
    assert_string_equal(file->current.real, "/usr/bin/tool");
    assert_false(see(file, 10, 2));
}

static void a_replaced_file_is_retired(void **state)
{
    struct msp_exe_file *file = *state;

    (void)see(file, 10, 1);
    assert_true(see(file, 11, 7));
    assert_int_equal(file->current.exe.ino, 11);
    assert_int_equal(file->n_retired, 1);
    assert_int_equal(file->retired[0].exe.ino, 10);
    assert_int_equal(file->retired[0].retired_ns, 7);
    assert_string_equal(file->retired[0].real, "/usr/bin/tool");
}

static void the_same_number_of_another_generation_is_another_file(void **state)
{
    struct msp_exe_file *file = *state;
    struct msp_file_fact seen = fact(10);

    (void)see(file, 10, 1);
    seen.exe.generation++;
    assert_true(msp_exe_file_see(file, &seen, "/bin/tool", 7));
    assert_int_equal(file->n_retired, 1);
}

static void a_file_that_comes_back_is_current(void **state)
{
    struct msp_exe_file *file = *state;

    (void)see(file, 10, 1);
    (void)see(file, 11, 7);
    assert_true(see(file, 10, 9));
    assert_int_equal(file->current.exe.ino, 10);
    assert_int_equal(file->n_retired, 1);
    assert_int_equal(file->retired[0].exe.ino, 11);
}

static void the_oldest_retired_makes_room(void **state)
{
    struct msp_exe_file *file = *state;

    for (uint64_t ino = 1; ino <= MSP_EXE_RETIRED_MAX + 3; ino++)
        (void)see(file, ino, 100 + ino);
    assert_int_equal(file->n_retired, MSP_EXE_RETIRED_MAX);
    assert_int_equal(file->retired[0].exe.ino, 3);
}

/* What an answer other than a sound file does to the current one. */
static const struct {
    const char *claim;
    int error; /* 0: the fact below */
    uint32_t mode;
    uint32_t nlink;
    uint64_t magic;
    enum msp_exe_why why;
    bool is_kept;
} losses[] = {
    {"no file", -ENOENT, 0, 0, 0, MSP_EXE_MISSING, false},
    {"no directory", -ENOTDIR, 0, 0, 0, MSP_EXE_MISSING, false},
    {"a loop or a magic link", -ELOOP, 0, 0, 0, MSP_EXE_MISSING, false},
    {"a directory", -EINVAL, 0, 0, 0, MSP_EXE_NOT_REGULAR, false},
    {"no answer", -ETIMEDOUT, 0, 0, 0, MSP_EXE_NO_ANSWER, true},
    {"too many hang", -EBUSY, 0, 0, 0, MSP_EXE_FAILED, true},
    {"an error", -EIO, 0, 0, 0, MSP_EXE_FAILED, true},
    {"a FIFO", 0, S_IFIFO | 0755, 1, EXT4_SUPER_MAGIC, MSP_EXE_NOT_REGULAR,
     false},
    {"deleted meanwhile", 0, S_IFREG | 0755, 0, EXT4_SUPER_MAGIC,
     MSP_EXE_MISSING, false},
    {"on overlay", 0, S_IFREG | 0755, 1, OVERLAYFS_SUPER_MAGIC,
     MSP_EXE_FILE_SYSTEM, false},
    {"on a file system nobody knows", 0, S_IFREG | 0755, 1, 0x1234567,
     MSP_EXE_FILE_SYSTEM, false},
};

static void a_lost_file_is_retired_unless_nothing_is_known(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(losses); i++) {
        msp_cleanup(msp_exe_file_done) struct msp_exe_file file;
        struct msp_file_fact seen = fact(10);
        bool is_changed;

        assert_ok(msp_exe_file_init(&file, "/bin/tool"));
        (void)see(&file, 10, 1);
        seen.mode = losses[i].mode;
        seen.nlink = losses[i].nlink;
        seen.magic = losses[i].magic;
        is_changed = losses[i].error
                         ? msp_exe_file_lose(&file, losses[i].error, 7)
                         : msp_exe_file_see(&file, &seen, "/bin/tool", 7);
        if (file.why != losses[i].why ||
            file.has_current != losses[i].is_kept ||
            is_changed == losses[i].is_kept ||
            file.n_retired != !losses[i].is_kept)
            fail_msg("%s", losses[i].claim);
        assert_false(msp_exe_file_lose(&file, -ENOENT, 8) != losses[i].is_kept);
    }
}

static void accepted_file_systems_are_those(void **state)
{
    static const uint64_t accepted[] = {0xef53,     0x58465342, 0xf2f52010,
                                        0xe0f5e1e2, 0x73717368, 0x01021994};
    static const uint64_t refused[] = {0x794c7630, 0x9123683e, 0x65735546,
                                       0x6969,     0x858458f6, 0};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(accepted); i++)
        assert_true(msp_fs_is_accepted(accepted[i]));
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
        assert_false(msp_fs_is_accepted(refused[i]));
    assert_string_equal(msp_exe_magic_name(0x794c7630), "overlay");
    assert_string_equal(msp_exe_magic_name(0x62656572), "sysfs");
    assert_null(msp_exe_magic_name(0x1234567));
}

static void contents_are_known_until_the_file_is_written(void **state)
{
    struct msp_exe_file *file = *state;
    struct msp_file_fact seen = fact(10);

    (void)see(file, 10, 1);
    assert_false(msp_exe_file_needs_hash(file)); /* nobody demands them */
    file->is_hashed = true;
    assert_true(msp_exe_file_needs_hash(file));
    assert_int_equal(msp_exe_file_hashed(file, &seen, 0, hash_a), 1);
    assert_false(msp_exe_file_needs_hash(file));
    assert_memory_equal(file->current.sha256, hash_a, sizeof(hash_a));
    assert_false(see(file, 10, 2));
    assert_false(msp_exe_file_needs_hash(file));
    seen.ctime_nsec++;
    assert_true(msp_exe_file_see(file, &seen, "/bin/tool", 3));
    assert_true(msp_exe_file_needs_hash(file));
    assert_int_equal(file->n_retired, 0);
    assert_int_equal(file->current.ctime_nsec, 6);
}

static void contents_of_another_file_or_time_do_not_count(void **state)
{
    struct msp_exe_file *file = *state;
    struct msp_file_fact other = fact(11), later = fact(10), gone = fact(10);

    file->is_hashed = true;
    later.ctime_nsec++;
    gone.nlink = 0;
    assert_int_equal(msp_exe_file_hashed(file, &other, 0, hash_a), 0);
    (void)see(file, 10, 1);
    assert_int_equal(msp_exe_file_hashed(file, &other, 0, hash_a), 0);
    assert_int_equal(msp_exe_file_hashed(file, &later, 0, hash_a), 0);
    assert_int_equal(msp_exe_file_hashed(file, &gone, 0, hash_a), 0);
    assert_true(msp_exe_file_needs_hash(file));
}

/* Else it would be read again and again, to no end. */
static void an_unsure_file_is_read_again_once_it_was_written(void **state)
{
    struct msp_exe_file *file = *state;
    struct msp_file_fact seen = fact(10);

    file->is_hashed = true;
    (void)see(file, 10, 1);
    assert_int_equal(msp_exe_file_hashed(file, &seen, MSP_OPEN_UNSURE, hash_a),
                     0);
    assert_false(file->current.has_sha256);
    assert_string_equal(msp_exe_doubt_name(file->current.doubt),
                        "the file may be written unseen");
    assert_false(msp_exe_file_needs_hash(file));
    assert_false(see(file, 10, 2));
    assert_false(msp_exe_file_needs_hash(file));
    seen.ctime_sec++;
    assert_true(msp_exe_file_see(file, &seen, "/bin/tool", 3));
    assert_true(msp_exe_file_needs_hash(file));
}

static void why_a_file_is_unsure_is_said(void **state)
{
    (void)state;
    assert_string_equal(
        msp_exe_doubt_name(MSP_OPEN_UNSURE | MSP_OPEN_NOT_ROOTS),
        "the file is not root's");
    assert_string_equal(msp_exe_doubt_name(MSP_OPEN_UNSURE | MSP_OPEN_WRITER),
                        "the file is open for writing");
    assert_string_equal(
        msp_exe_doubt_name(MSP_OPEN_UNSURE | MSP_OPEN_SHARED),
        "the file is on tmpfs, and others than root may write to it");
}

/* Known, and yet nobody can be it: only status says so. */
static void what_nobody_can_execute_is_said(void **state)
{
    struct msp_exe_file *file = *state;
    struct msp_file_fact seen = fact(10);

    assert_null(msp_exe_file_fault(file));
    (void)see(file, 10, 1);
    assert_null(msp_exe_file_fault(file));
    file->current.is_script = true;
    assert_string_equal(msp_exe_file_fault(file),
                        "a script: who runs it executes its interpreter");
    file->current.is_script = false;
    seen.mode = S_IFREG | 0644;
    seen.ctime_sec++;
    assert_true(msp_exe_file_see(file, &seen, "/bin/tool", 2));
    assert_string_equal(msp_exe_file_fault(file), "not executable");
    assert_true(file->has_current);
    seen.mode = S_IFREG | 0010;
    seen.ctime_sec++;
    (void)msp_exe_file_see(file, &seen, "/bin/tool", 3);
    assert_null(msp_exe_file_fault(file));
}

static void a_retired_file_keeps_its_contents(void **state)
{
    struct msp_exe_file *file = *state;
    const struct msp_file_fact seen = fact(10);

    file->is_hashed = true;
    (void)see(file, 10, 1);
    (void)msp_exe_file_hashed(file, &seen, 0, hash_a);
    (void)see(file, 11, 7);
    assert_true(file->retired[0].has_sha256);
    assert_false(file->current.has_sha256);
}

static void what_an_earlier_mspd_knew_is_taken_over(void **state)
{
    struct msp_exe_file *file = *state;
    const struct msp_exe_version retired = {.exe = {1, 2, 9}, .retired_ns = 4};
    const struct msp_exe_version current = {
        .exe = {1, 2, 10}, .ctime_sec = 100, .ctime_nsec = 5};

    assert_ok(msp_exe_file_recall(file, &retired));
    assert_ok(msp_exe_file_recall(file, &current));
    assert_true(file->has_current);
    assert_int_equal(file->n_retired, 1);
    assert_int_equal(file->why, MSP_EXE_NOT_ASKED);
    assert_false(see(file, 10, 7));
    assert_true(see(file, 11, 8));
    assert_int_equal(file->n_retired, 2);
    assert_int_equal(file->retired[1].retired_ns, 8);
}

static bool runs(const void *data, const struct msp_exe *exe)
{
    return exe->ino == *(const uint64_t *)data;
}

static void what_nobody_runs_is_dropped_after_two_rounds(void **state)
{
    struct msp_exe_file *file = *state;
    uint64_t running = 10;

    for (uint64_t ino = 10; ino < 13; ino++)
        (void)see(file, ino, 100 + ino);
    assert_int_equal(file->n_retired, 2);
    assert_false(msp_exe_file_collect(file, runs, &running));
    assert_true(msp_exe_file_collect(file, runs, &running));
    assert_int_equal(file->n_retired, 1);
    assert_int_equal(file->retired[0].exe.ino, 10);
    running = 0;
    assert_false(msp_exe_file_collect(file, runs, &running));
    running = 10; /* missed by one round only */
    assert_false(msp_exe_file_collect(file, runs, &running));
    running = 0;
    assert_false(msp_exe_file_collect(file, runs, &running));
    assert_true(msp_exe_file_collect(file, runs, &running));
    assert_int_equal(file->n_retired, 0);
    assert_true(file->has_current);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_known_at_first),
        TEST(a_file_is_seen_once),
        TEST(a_replaced_file_is_retired),
        TEST(the_same_number_of_another_generation_is_another_file),
        TEST(a_file_that_comes_back_is_current),
        TEST(the_oldest_retired_makes_room),
        TEST(a_lost_file_is_retired_unless_nothing_is_known),
        TEST(accepted_file_systems_are_those),
        TEST(contents_are_known_until_the_file_is_written),
        TEST(contents_of_another_file_or_time_do_not_count),
        TEST(an_unsure_file_is_read_again_once_it_was_written),
        TEST(why_a_file_is_unsure_is_said),
        TEST(what_nobody_can_execute_is_said),
        TEST(a_retired_file_keeps_its_contents),
        TEST(what_an_earlier_mspd_knew_is_taken_over),
        TEST(what_nobody_runs_is_dropped_after_two_rounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
