/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "keeper/keystore.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <msp/limits.h>

#include "harness/test.h"

#define GUID  "9cf81e97-0316-4ad3-94a7-8ccbdee8ccbf"
#define OTHER "00000000-0316-4ad3-94a7-8ccbdee8ccbf"

static char path[64];
static int dir;

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(path, sizeof(path), "/tmp/mspd-unit.XXXXXX");
    if (!mkdtemp(path))
        return -1;
    dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dir < 0;
}

static int tear_down(void **state)
{
    const struct dirent *entry;
    DIR *list = fdopendir(dir);

    (void)state;
    rewinddir(list);
    while ((entry = readdir(list)))
        if (entry->d_name[0] != '.')
            (void)unlinkat(dirfd(list), entry->d_name, 0);
    (void)closedir(list);
    return rmdir(path);
}

static void put(const char *name, const char *text, mode_t mode)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_ok(fchmod(fd, mode));
    (void)close(fd);
}

static void check_has(const char *guid, const char *text)
{
    char got[64] = "";
    size_t len = 0;

    assert_ok(msp_keystore_read(dir, guid, got, sizeof(got), &len));
    assert_int_equal(len, strlen(text));
    assert_memory_equal(got, text, len);
}

static int count(void)
{
    const struct dirent *entry;
    DIR *list = opendir(path);
    int n = 0;

    assert_non_null(list);
    while ((entry = readdir(list)))
        n += entry->d_name[0] != '.';
    (void)closedir(list);
    return n;
}

static void what_is_written_is_read_and_nobody_elses(void **state)
{
    struct stat st;

    (void)state;
    (void)umask(0);
    assert_ok(msp_keystore_write(dir, GUID, "one", 3));
    check_has(GUID, "one");
    assert_ok(fstatat(dir, GUID ".key", &st, 0));
    assert_int_equal(st.st_mode, S_IFREG | 0600);
    assert_ok(msp_keystore_write(dir, GUID, "second", 6));
    check_has(GUID, "second");
    assert_int_equal(count(), 1);
}

static void only_a_guid_is_a_name(void **state)
{
    static const char *const bad[] = {"", "x", "../" GUID, GUID "0",
                                      "9cf81e97-0316-4ad3-94a7-8ccbdee8cc/x"};
    char got[8];
    size_t len;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_errno(msp_keystore_write(dir, bad[i], "x", 1), EINVAL);
        assert_errno(msp_keystore_read(dir, bad[i], got, sizeof(got), &len),
                     EINVAL);
    }
    assert_int_equal(count(), 0);
}

static void no_link_is_followed(void **state)
{
    char got[64];
    size_t len;

    (void)state;
    put("victim", "victim", 0600);
    assert_ok(symlinkat("victim", dir, GUID ".key"));
    assert_ok(symlinkat("victim", dir, GUID ".tmp"));
    assert_errno(msp_keystore_read(dir, GUID, got, sizeof(got), &len), ELOOP);
    assert_ok(msp_keystore_write(dir, GUID, "new", 3));
    check_has(GUID, "new");
    assert_ok(unlinkat(dir, GUID ".key", 0));
    assert_ok(renameat(dir, "victim", dir, OTHER ".key"));
    check_has(OTHER, "victim");
}

static void a_file_that_others_may_write_is_not_read(void **state)
{
    char got[64];
    size_t len;

    (void)state;
    put(GUID ".key", "x", 0620);
    assert_errno(msp_keystore_read(dir, GUID, got, sizeof(got), &len), EPERM);
    put(GUID ".key", "x", 0602);
    assert_errno(msp_keystore_read(dir, GUID, got, sizeof(got), &len), EPERM);
    put(GUID ".key", "x", 0600);
    check_has(GUID, "x");
    assert_ok(unlinkat(dir, GUID ".key", 0));
    assert_ok(mkfifoat(dir, GUID ".key", 0600));
    assert_errno(msp_keystore_read(dir, GUID, got, sizeof(got), &len), EPERM);
    assert_errno(msp_keystore_read(dir, OTHER, got, sizeof(got), &len), ENOENT);
}

static void a_file_beyond_its_room_is_refused(void **state)
{
    char got[4];
    size_t len;

    (void)state;
    put(GUID ".key", "1234", 0600);
    assert_errno(msp_keystore_read(dir, GUID, got, sizeof(got), &len), EFBIG);
}

/* The same error path as a full disk: write() gets only so far. */
static void a_full_disk_leaves_the_old_file_and_no_half(void **state)
{
    const struct rlimit small = {4, RLIM_INFINITY};
    struct rlimit before;

    (void)state;
    assert_ok(msp_keystore_write(dir, GUID, "old", 3));
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_ok(getrlimit(RLIMIT_FSIZE, &before));
    assert_ok(setrlimit(RLIMIT_FSIZE, &small));
    assert_errno(msp_keystore_write(dir, GUID, "longer", 6), EFBIG);
    assert_errno(msp_keystore_write(dir, OTHER, "longer", 6), EFBIG);
    assert_ok(setrlimit(RLIMIT_FSIZE, &before));
    check_has(GUID, "old");
    assert_int_equal(count(), 1);
}

static void the_oldest_go_and_what_was_left_behind(void **state)
{
    static const char *const keep[2] = {GUID, ""};
    char guid[MSP_GUID_BYTES];

    (void)state;
    assert_ok(msp_keystore_write(dir, GUID, "kept", 4));
    put(OTHER ".tmp", "half", 0600);
    put("README.key", "not ours", 0600);
    for (unsigned int i = 0; i < MSP_KEYS_MAX + 4; i++) {
        struct timespec times[2] = {{.tv_sec = 1000 + i}, {.tv_sec = 1000 + i}};
        char name[MSP_GUID_BYTES + 8];

        (void)snprintf(guid, sizeof(guid), "%08x-0316-4ad3-94a7-8ccbdee8ccbf",
                       i + 1);
        assert_ok(msp_keystore_write(dir, guid, "some", 4));
        (void)snprintf(name, sizeof(name), "%s.key", guid);
        assert_ok(utimensat(dir, name, times, 0));
    }
    msp_keystore_clean(dir, keep);
    assert_int_equal(count(), MSP_KEYS_MAX + 1);
    check_has(GUID, "kept");
    check_has(guid, "some");
}

static void the_one_in_use_is_known_whole_or_not_at_all(void **state)
{
    static const char *const bad[] = {
        "", GUID, GUID "\n\n", "../../etc\n", GUID "0\n", GUID " "};
    static const char *const keep[2] = {"", ""};
    const struct rlimit small = {4, RLIM_INFINITY};
    struct rlimit before;
    char guid[MSP_GUID_BYTES] = "";

    (void)state;
    assert_errno(msp_keystore_get_latched(dir, guid), ENOENT);
    assert_ok(msp_keystore_set_latched(dir, OTHER));
    assert_ok(msp_keystore_set_latched(dir, GUID));
    assert_ok(msp_keystore_get_latched(dir, guid));
    assert_string_equal(guid, GUID);
    assert_int_equal(count(), 1);
    /* what cannot be written is not the one before it */
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_ok(getrlimit(RLIMIT_FSIZE, &before));
    assert_ok(setrlimit(RLIMIT_FSIZE, &small));
    assert_errno(msp_keystore_set_latched(dir, OTHER), EFBIG);
    assert_ok(setrlimit(RLIMIT_FSIZE, &before));
    assert_errno(msp_keystore_get_latched(dir, guid), ENOENT);
    assert_int_equal(count(), 0);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        put("latched", bad[i], 0600);
        assert_true(msp_keystore_get_latched(dir, guid) < 0);
    }
    put("latched", GUID "\n", 0620);
    assert_errno(msp_keystore_get_latched(dir, guid), EPERM);
    assert_ok(msp_keystore_set_latched(dir, ""));
    assert_ok(msp_keystore_set_latched(dir, ""));
    put("latched.tmp", "half", 0600);
    msp_keystore_clean(dir, keep);
    assert_int_equal(count(), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(what_is_written_is_read_and_nobody_elses),
        T(only_a_guid_is_a_name),
        T(no_link_is_followed),
        T(a_file_that_others_may_write_is_not_read),
        T(a_file_beyond_its_room_is_refused),
        T(a_full_disk_leaves_the_old_file_and_no_half),
        T(the_oldest_go_and_what_was_left_behind),
        T(the_one_in_use_is_known_whole_or_not_at_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
