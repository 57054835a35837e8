/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the iterator says of own descriptors is what fstat(), fstatfs() and
 * FS_IOC_GETVERSION say, of every kind of file, each once.
 */
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#include "bpf/slot.h"
#include "harness/test.h"
#include "loader/iter.h"

enum {
    MANY = 3000
};

struct facts {
    struct msp_file_fact *fact; /* owned */
    size_t n;
};

static struct facts read_facts(void **state)
{
    struct msp_loader *loader = slot_fixture_loader(*state);
    struct facts facts = {0};

    if (msp_iter_files(loader, &facts.fact, &facts.n) < 0)
        fail_msg("%s", loader->why);
    return facts;
}

static void facts_done(struct facts *facts)
{
    free(facts->fact);
}

/* The one fact of a descriptor; there must be no two. */
static struct msp_file_fact find(const struct facts *facts, int fd)
{
    struct msp_file_fact found = {0};
    unsigned int n = 0;

    for (size_t i = 0; i < facts->n; i++) {
        if (facts->fact[i].fd != (uint32_t)fd)
            continue;
        found = facts->fact[i];
        n++;
    }
    assert_int_equal(n, 1);
    return found;
}

/* @param has_generation the file system answers FS_IOC_GETVERSION */
static void expect(void **state, int fd, bool has_generation)
{
    msp_cleanup(facts_done) struct facts facts = read_facts(state);
    struct msp_file_fact fact = find(&facts, fd);
    struct statfs fs;
    struct stat st;
    int generation = 0;

    assert_ok(fstat(fd, &st));
    assert_ok(fstatfs(fd, &fs));
    assert_int_equal(fact.exe.ino, st.st_ino);
    assert_int_equal(fact.exe.s_dev, major(st.st_dev) << 20 | minor(st.st_dev));
    assert_int_equal(fact.mode, st.st_mode);
    assert_int_equal(fact.nlink, st.st_nlink);
    assert_int_equal(fact.ctime_sec, st.st_ctim.tv_sec);
    assert_int_equal(fact.ctime_nsec, st.st_ctim.tv_nsec);
    assert_int_equal(fact.magic, fs.f_type);
    if (has_generation) {
        assert_ok(ioctl(fd, FS_IOC_GETVERSION, &generation));
        assert_int_equal(fact.exe.generation, (uint32_t)generation);
    }
}

static void a_file_of_a_disk_has_its_generation(void **state)
{
    char name[] = "/tmp/msp-files-XXXXXX";
    msp_autoclose int fd = mkostemp(name, O_CLOEXEC);
    msp_autoclose int path_fd = open(name, O_PATH | O_CLOEXEC);
    struct msp_file_fact copy, other;
    msp_cleanup(facts_done) struct facts facts = {0};
    int generation = 0;

    assert_true(fd >= 0 && path_fd >= 0);
    if (ioctl(fd, FS_IOC_GETVERSION, &generation) < 0)
        print_message("/tmp knows no generations\n");
    expect(state, fd, generation != 0);
    expect(state, path_fd, false);
    facts = read_facts(state);
    copy = find(&facts, fd);
    other = find(&facts, path_fd);
    copy.fd = other.fd;
    assert_memory_equal(&copy, &other, sizeof(copy));
    /* the time of change moves, and links go */
    assert_ok(fchmod(fd, 0700));
    expect(state, fd, false);
    assert_ok(unlink(name));
    expect(state, fd, false);
    free(facts.fact);
    facts = read_facts(state);
    assert_int_equal(find(&facts, fd).nlink, 0);
}

static void every_kind_of_file_is_told(void **state)
{
    msp_autoclose int memfd = memfd_create("m", MFD_CLOEXEC);
    msp_autoclose int dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    msp_autoclose int proc = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    msp_autoclose int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    msp_autoclose int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    msp_autoclose int event = eventfd(0, EFD_CLOEXEC);
    msp_autoclose int shm =
        open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    msp_cleanup(facts_done) struct facts facts = read_facts(state);
    int ends[2];

    /* but sockets, of which mspd has one for each network namespace */
    for (size_t i = 0; i < facts.n; i++)
        assert_int_not_equal(facts.fact[i].fd, sock);
    assert_ok(pipe2(ends, O_CLOEXEC));
    expect(state, memfd, false);
    expect(state, dir, false);
    expect(state, proc, false);
    expect(state, null, false);
    expect(state, event, false);
    if (shm >= 0)
        expect(state, shm, false);
    expect(state, ends[0], false);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void *hold(void *data)
{
    (void)pthread_barrier_wait(data);
    (void)pthread_barrier_wait(data);
    return NULL;
}

/* More than one read returns, and a thread that shares them. */
static void many_are_told_once(void **state)
{
    msp_cleanup(facts_done) struct facts facts = {0};
    struct rlimit before, more = {MANY + 100, MANY + 100};
    static int fd[MANY];
    pthread_barrier_t barrier;
    pthread_t thread;
    size_t n;

    assert_ok(getrlimit(RLIMIT_NOFILE, &before));
    if (before.rlim_cur < more.rlim_cur)
        assert_ok(setrlimit(RLIMIT_NOFILE, &more));
    facts = read_facts(state);
    n = facts.n;
    assert_ok(pthread_barrier_init(&barrier, NULL, 2));
    assert_ok(pthread_create(&thread, NULL, hold, &barrier));
    (void)pthread_barrier_wait(&barrier);
    for (int i = 0; i < MANY; i++) {
        fd[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        assert_true(fd[i] >= 0);
    }
    free(facts.fact);
    facts = read_facts(state);
    assert_int_equal(facts.n, n + MANY);
    for (int i = 0; i < MANY; i++)
        (void)find(&facts, fd[i]);
    for (int i = 0; i < MANY; i++)
        (void)close(fd[i]);
    (void)pthread_barrier_wait(&barrier);
    assert_ok(pthread_join(thread, NULL));
    (void)pthread_barrier_destroy(&barrier);
    if (before.rlim_cur < more.rlim_cur)
        assert_ok(setrlimit(RLIMIT_NOFILE, &before));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_of_a_disk_has_its_generation),
        cmocka_unit_test(every_kind_of_file_is_told),
        cmocka_unit_test(many_are_told_once),
    };

    return cmocka_run_group_tests(tests, slot_fixture_setup,
                                  slot_fixture_teardown);
}
