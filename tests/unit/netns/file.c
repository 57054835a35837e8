/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "netns/file.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "harness/test.h"

/* A directory that plays the root directory of somebody. */
struct bench {
    char dir[64];
    int root_fd;
};

static const uint8_t abc_sha256[32] = {
    0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
    0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
    0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
};

static void write_file(const struct bench *bench, const char *name,
                       const char *text)
{
    msp_autoclose int fd = openat(
        bench->root_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    int fd;

    *state = bench;
    if (!bench)
        return -1;
    (void)snprintf(bench->dir, sizeof(bench->dir), "/tmp/msp-file.XXXXXX");
    if (!mkdtemp(bench->dir))
        return -1;
    fd = open(bench->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bench->root_fd = fd;
    if (fd < 0 || mkdirat(fd, "bin", 0755) < 0 ||
        symlinkat("/bin/tool", fd, "absolute") < 0 ||
        symlinkat("bin/tool", fd, "relative") < 0 ||
        symlinkat("../../../../../../etc/passwd", fd, "out") < 0 ||
        symlinkat("/proc/self/exe", fd, "dangling") < 0 ||
        mkfifoat(fd, "fifo", 0644) < 0)
        return -1;
    write_file(bench, "bin/tool", "abc");
    return 0;
}

static int teardown(void **state)
{
    static const char *const names[] = {"bin/tool", "absolute", "relative",
                                        "out",      "dangling", "fifo"};
    struct bench *bench = *state;

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        (void)unlinkat(bench->root_fd, names[i], 0);
    (void)unlinkat(bench->root_fd, "bin", AT_REMOVEDIR);
    (void)close(bench->root_fd);
    (void)rmdir(bench->dir);
    free(bench);
    return 0;
}

static void paths_are_looked_up_in_that_root(void **state)
{
    static const struct {
        const char *path;
        int r;
    } cases[] = {
        {"/bin/tool", 0},
        {"/absolute", 0},
        {"/relative", 0},
        {"/../../bin/tool", 0},
        /* an outer /etc/passwd is there, that of this root is not */
        {"/out", -ENOENT},
        {"/dangling", -ENOENT},
        {"/none", -ENOENT},
        {"/bin/tool/x", -ENOTDIR},
        {"/bin", -EINVAL},
        {"/fifo", -EINVAL},
    };
    const struct bench *bench = *state;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        msp_autoclose int fd = msp_file_open(bench->root_fd, cases[i].path);
        int r = fd < 0 ? fd : 0;

        if (r != cases[i].r)
            fail_msg("%s: got %d, wanted %d", cases[i].path, r, cases[i].r);
        if (fd >= 0)
            assert_true(fcntl(fd, F_GETFL) & O_PATH);
    }
}

static void magic_links_are_refused(void **state)
{
    msp_autoclose int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

    (void)state;
    assert_true(root_fd >= 0);
    assert_errno(msp_file_open(root_fd, "/proc/self/exe"), ELOOP);
}

static void a_process_has_a_root(void **state)
{
    msp_autoclose int own = msp_file_root((uint32_t)getpid());
    struct stat a, b;

    (void)state;
    assert_true(own >= 0);
    assert_ok(fstat(own, &a));
    assert_ok(stat("/", &b));
    assert_true(a.st_dev == b.st_dev && a.st_ino == b.st_ino);
    assert_errno(msp_file_root(0x7fffffff), ESRCH);
}

static void contents_are_hashed(void **state)
{
    const struct bench *bench = *state;
    msp_autoclose int fd = msp_file_open(bench->root_fd, "/bin/tool");
    uint8_t sha256[32] = {0};
    uint32_t flags = 0;

    assert_true(fd >= 0);
    assert_ok(msp_file_hash(fd, sha256, &flags));
    assert_memory_equal(sha256, abc_sha256, sizeof(sha256));
    assert_int_equal(flags, MSP_OPEN_HASH);
}

/* Opening a FIFO for reading would wait for a writer, or wake one. */
static void a_fifo_is_not_opened(void **state)
{
    const struct bench *bench = *state;
    msp_autoclose int fd = openat(bench->root_fd, "fifo", O_PATH | O_CLOEXEC);
    msp_autoclose int writer = -1;
    uint8_t sha256[32];
    uint32_t flags = 0;

    assert_true(fd >= 0);
    assert_errno(msp_file_hash(fd, sha256, &flags), EINVAL);
    assert_int_equal(flags, 0);
    writer = openat(bench->root_fd, "fifo", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    assert_int_equal(writer, -1);
    assert_int_equal(errno, ENXIO); /* nobody ever read */
}

static uint32_t hash_flags(const struct bench *bench, const char *path)
{
    msp_autoclose int fd = msp_file_open(bench->root_fd, path);
    uint8_t sha256[32];
    uint32_t flags = 0;

    assert_true(fd >= 0);
    assert_ok(msp_file_hash(fd, sha256, &flags));
    return flags;
}

/*
 * A write that began before the hashing and goes on after it would change the
 * contents under the ctime that was seen; so would one through a mapping.
 */
static void one_that_somebody_may_be_writing_is_not_sure(void **state)
{
    const struct bench *bench = *state;
    int rw = openat(bench->root_fd, "bin/tool", O_RDWR | O_CLOEXEC);
    char *page;

    assert_true(rw >= 0);
    (void)usleep(60000);
    assert_int_equal(hash_flags(bench, "/bin/tool"),
                     MSP_OPEN_HASH | MSP_OPEN_UNSURE | MSP_OPEN_WRITER);
    page = mmap(NULL, 3, PROT_READ | PROT_WRITE, MAP_SHARED, rw, 0);
    assert_true(page != MAP_FAILED);
    (void)close(rw);
    assert_int_equal(hash_flags(bench, "/bin/tool"),
                     MSP_OPEN_HASH | MSP_OPEN_UNSURE | MSP_OPEN_WRITER);
    assert_ok(munmap(page, 3));
    assert_int_equal(hash_flags(bench, "/bin/tool"), MSP_OPEN_HASH);
}

/* Its owner could keep a writer from being seen. */
static void only_files_of_root_are_sure(void **state)
{
    const struct bench *bench = *state;

    assert_ok(fchownat(bench->root_fd, "bin/tool", 1000, 1000, 0));
    assert_int_equal(hash_flags(bench, "/bin/tool"),
                     MSP_OPEN_HASH | MSP_OPEN_UNSURE | MSP_OPEN_NOT_ROOTS);
    assert_ok(fchownat(bench->root_fd, "bin/tool", 0, 0, 0));
    assert_int_equal(hash_flags(bench, "/bin/tool"), MSP_OPEN_HASH);
}

/* tmpfs moves no ctime for a mapping's writes. */
static void on_tmpfs_only_root_may_write(void **state)
{
    static const struct {
        mode_t mode;
        uint32_t flags;
    } cases[] = {
        {0755, MSP_OPEN_HASH},
        {0775, MSP_OPEN_HASH | MSP_OPEN_UNSURE | MSP_OPEN_SHARED},
        {0757, MSP_OPEN_HASH | MSP_OPEN_UNSURE | MSP_OPEN_SHARED},
    };

    char path[] = "/dev/shm/msp-file-XXXXXX";
    int made = mkstemp(path);
    msp_autoclose int fd = open(path, O_PATH | O_CLOEXEC);
    uint8_t sha256[32];

    (void)state;
    assert_true(made >= 0 && fd >= 0);
    assert_int_equal(write(made, "abc", 3), 3);
    (void)close(made);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint32_t flags = 0;

        assert_ok(chmod(path, cases[i].mode));
        assert_ok(msp_file_hash(fd, sha256, &flags));
        assert_int_equal(flags, cases[i].flags);
    }
    assert_ok(unlink(path));
}

static void a_script_is_told_by_its_first_two_bytes(void **state)
{
    static const struct {
        const char *text;
        uint32_t kind;
    } cases[] = {
        {"#!/bin/sh\n", MSP_OPEN_SCRIPT},
        {"#!", MSP_OPEN_SCRIPT},
        {"#", 0},
        {"", 0},
        {"# !", 0},
        {"\177ELF", 0},
    };
    const struct bench *bench = *state;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        int rw = openat(bench->root_fd, "bin/script",
                        O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
        size_t len = strlen(cases[i].text);
        msp_autoclose int fd = -1;

        assert_true(rw >= 0);
        assert_int_equal(write(rw, cases[i].text, len), len);
        (void)close(rw);
        fd = msp_file_open(bench->root_fd, "/bin/script");
        assert_true(fd >= 0);
        assert_int_equal(msp_file_kind(fd), cases[i].kind);
    }
    assert_ok(unlinkat(bench->root_fd, "bin/script", 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_looked_up_in_that_root),
        cmocka_unit_test(magic_links_are_refused),
        cmocka_unit_test(a_process_has_a_root),
        cmocka_unit_test(contents_are_hashed),
        cmocka_unit_test(a_fifo_is_not_opened),
        cmocka_unit_test(one_that_somebody_may_be_writing_is_not_sure),
        cmocka_unit_test(only_files_of_root_are_sure),
        cmocka_unit_test(on_tmpfs_only_root_may_write),
        cmocka_unit_test(a_script_is_told_by_its_first_two_bytes),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
