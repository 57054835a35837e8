/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "netns/opener.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/io.h"
#include "harness/test.h"
#include "netns/file.h"

enum {
    SOON_MS = 3000 /* a machine with much to do */
};

/* The asker is the other end of a pair. */
struct bench {
    struct msp_opener opener;
    int pair[2];
    uint64_t late_ms; /* added to the time the opener is told */
};

static struct msp_child_open reply;

/* What is done in the new process; the path says which. */
static int work(struct msp_child_open *request, int watch_fd)
{
    request->status = 0;
    if (strncmp(request->path, "/slow", 5) == 0)
        for (;;)
            (void)pause();
    if (msp_streq(request->path, "/dies"))
        _exit(3);
    if (msp_streq(request->path, "/watch"))
        return dup(watch_fd);
    if (msp_streq(request->path, "/lies"))
        return -1; /* success, but no descriptor */
    if (msp_streq(request->path, "/fails")) {
        request->status = -ENOENT;
        return -1;
    }
    return open("/", O_PATH | O_CLOEXEC);
}

static int setup_with(void **state, msp_opener_fn fn)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    *state = bench;
    if (!bench || msp_io_pair(bench->pair) < 0)
        return -1;
    msp_opener_init(&bench->opener, bench->pair[0], fn);
    return 0;
}

static int setup(void **state)
{
    return setup_with(state, work);
}

static int setup_real(void **state)
{
    return setup_with(state, msp_file_work);
}

static int teardown(void **state)
{
    struct bench *bench = *state;

    msp_opener_done(&bench->opener);
    (void)close(bench->pair[0]);
    (void)close(bench->pair[1]);
    free(bench);
    return 0;
}

static uint64_t now(const struct bench *bench)
{
    return msp_io_now_ms() + bench->late_ms;
}

static void ask(struct bench *bench, uint32_t id, const char *path,
                uint32_t flags)
{
    struct msp_child_open request = {.head = {.type = MSP_CHILD_OPEN, .id = id},
                                     .flags = flags};

    (void)snprintf(request.path, sizeof(request.path), "%s", path);
    assert_ok(msp_opener_start(&bench->opener, &request, now(bench)));
}

/* Runs until a reply comes or time is up. @return its id, 0 none */
static uint32_t take(struct bench *bench, uint64_t wait_ms, int *ret_fd)
{
    uint64_t end = msp_io_now_ms() + wait_ms;

    for (;;) {
        struct pollfd fds[MSP_OPENER_POLLS];
        int timeout_ms;
        size_t n;

        assert_ok(msp_opener_run(&bench->opener, now(bench)));
        if (msp_io_recv(bench->pair[1], &reply, sizeof(reply), ret_fd) ==
            (ssize_t)sizeof(reply))
            return reply.head.id;
        if (msp_io_now_ms() >= end)
            return 0;
        n = msp_opener_wait(&bench->opener, now(bench), fds, &timeout_ms);
        (void)poll(fds, n,
                   timeout_ms >= 0 && timeout_ms < 20 ? timeout_ms : 20);
    }
}

static void expect(struct bench *bench, uint32_t id, int status)
{
    msp_autoclose int fd = -1;

    assert_int_equal(take(bench, SOON_MS, &fd), id);
    assert_int_equal(reply.head.type, MSP_CHILD_OPEN);
    assert_int_equal(reply.status, status);
    assert_int_equal(fd >= 0, status == 0);
}

static size_t n_processes(const struct bench *bench)
{
    size_t n = 0;

    for (int i = 0; i < MSP_OPENER_SLOTS; i++)
        n += bench->opener.slot[i].pid != 0;
    return n;
}

static void wait_for_ends(struct bench *bench)
{
    uint64_t end = msp_io_now_ms() + SOON_MS;

    while (n_processes(bench) && msp_io_now_ms() < end) {
        assert_ok(msp_opener_run(&bench->opener, now(bench)));
        (void)usleep(1000);
    }
    assert_int_equal(n_processes(bench), 0);
}

static void every_request_has_one_reply(void **state)
{
    struct bench *bench = *state;
    int fd = -1;

    ask(bench, 1, "/", 0);
    expect(bench, 1, 0);
    ask(bench, 2, "/fails", 0);
    expect(bench, 2, -ENOENT);
    ask(bench, 3, "/dies", 0);
    expect(bench, 3, -EIO);
    ask(bench, 4, "/lies", 0);
    expect(bench, 4, -EIO);
    assert_int_equal(take(bench, 50, &fd), 0);
    wait_for_ends(bench);
}

static void bad_requests_are_refused(void **state)
{
    struct bench *bench = *state;
    struct msp_child_open request = {.head = {MSP_CHILD_OPEN, 9}};

    ask(bench, 1, "relative", 0);
    expect(bench, 1, -EINVAL);
    ask(bench, 2, "/", 0x80);
    expect(bench, 2, -EINVAL);
    memset(request.path, '/', sizeof(request.path)); /* no NUL */
    assert_ok(msp_opener_start(&bench->opener, &request, now(bench)));
    expect(bench, 9, -EINVAL);
    /* a root directory, and no path in it; or one of a process besides */
    request = (struct msp_child_open){.head = {MSP_CHILD_OPEN, 9},
                                      .flags = MSP_OPEN_BELOW,
                                      .path = "/root\0relative"};
    assert_ok(msp_opener_start(&bench->opener, &request, now(bench)));
    expect(bench, 9, -EINVAL);
    memset(request.path + 6, '/', sizeof(request.path) - 6);
    assert_ok(msp_opener_start(&bench->opener, &request, now(bench)));
    expect(bench, 9, -EINVAL);
    request = (struct msp_child_open){.head = {MSP_CHILD_OPEN, 9},
                                      .flags = MSP_OPEN_BELOW,
                                      .pid = 1,
                                      .path = "/root\0/file"};
    assert_ok(msp_opener_start(&bench->opener, &request, now(bench)));
    expect(bench, 9, -EINVAL);
    assert_int_equal(n_processes(bench), 0);
}

static void the_watch_is_handed_on(void **state)
{
    struct bench *bench = *state;
    char shown[64] = "", link[32];
    int watch_fd = inotify_init1(IN_CLOEXEC), fd = -1;

    assert_true(watch_fd >= 0);
    ask(bench, 1, "/watch", 0);
    assert_int_equal(take(bench, SOON_MS, &fd), 1);
    assert_int_equal(fd, -1); /* none was given yet */
    msp_opener_set_watch(&bench->opener, watch_fd);
    ask(bench, 2, "/watch", 0);
    assert_int_equal(take(bench, SOON_MS, &fd), 2);
    assert_true(fd >= 0);
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    assert_true(readlink(link, shown, sizeof(shown) - 1) > 0);
    assert_string_equal(shown, "anon_inode:inotify");
    (void)close(fd);
    wait_for_ends(bench);
}

static void a_slow_one_holds_up_nobody(void **state)
{
    struct bench *bench = *state;

    ask(bench, 1, "/slow", 0);
    ask(bench, 2, "/", 0);
    expect(bench, 2, 0);
    bench->late_ms = MSP_OPEN_MS - 500;
    ask(bench, 3, "/", 0);
    expect(bench, 3, 0);
    bench->late_ms = MSP_OPEN_MS + 1;
    expect(bench, 1, -ETIMEDOUT);
    wait_for_ends(bench); /* and it is killed */
}

static void hashing_may_take_longer(void **state)
{
    struct bench *bench = *state;
    int fd = -1;

    ask(bench, 1, "/slow", MSP_OPEN_HASH);
    bench->late_ms = MSP_OPEN_MS + 1;
    assert_int_equal(take(bench, 100, &fd), 0);
    bench->late_ms = MSP_HASH_MS + 1;
    expect(bench, 1, -ETIMEDOUT);
    wait_for_ends(bench);
}

static void there_are_only_so_many(void **state)
{
    struct bench *bench = *state;

    for (uint32_t id = 1; id <= MSP_OPENS_MAX; id++)
        ask(bench, id, "/slow", 0);
    ask(bench, 100, "/", 0);
    expect(bench, 100, -EBUSY);
    bench->late_ms = MSP_OPEN_MS + 1;
    for (uint32_t id = 1; id <= MSP_OPENS_MAX; id++) {
        int fd = -1;

        assert_true(take(bench, SOON_MS, &fd) <= MSP_OPENS_MAX);
        assert_int_equal(reply.status, -ETIMEDOUT);
    }
    ask(bench, 101, "/", 0);
    expect(bench, 101, 0);
    wait_for_ends(bench);
}

/* --- a file system that never answers ----------------------------------- */

static int fuse_fd = -1;
static char fuse_dir[64];

static void fuse_reply(uint64_t unique, const void *body, size_t len)
{
    char bytes[256];
    struct fuse_out_header head = {.len = (uint32_t)(sizeof(head) + len),
                                   .unique = unique};

    memcpy(bytes, &head, sizeof(head));
    memcpy(bytes + sizeof(head), body, len);
    assert_int_equal(write(fuse_fd, bytes, head.len), head.len);
}

/* Takes the first request, which is INIT, and answers it. */
static void fuse_init(void)
{
    static char bytes[FUSE_MIN_READ_BUFFER * 2];
    struct fuse_in_header head;
    struct fuse_init_out out = {
        .major = FUSE_KERNEL_VERSION,
        .minor = FUSE_KERNEL_MINOR_VERSION,
        .max_write = 4096,
    };

    assert_true(read(fuse_fd, bytes, sizeof(bytes)) > (ssize_t)sizeof(head));
    memcpy(&head, bytes, sizeof(head));
    assert_int_equal(head.opcode, FUSE_INIT);
    fuse_reply(head.unique, &out, sizeof(out));
}

/* Takes a request and keeps it: who waits for it cannot even be killed. */
static bool fuse_swallow(uint64_t wait_ms)
{
    static char bytes[FUSE_MIN_READ_BUFFER * 2];
    struct pollfd poll_fd = {.fd = fuse_fd, .events = POLLIN};

    return poll(&poll_fd, 1, (int)wait_ms) == 1 &&
           read(fuse_fd, bytes, sizeof(bytes)) > 0;
}

static int setup_fuse(void **state)
{
    char options[96];

    if (setup_real(state) < 0)
        return -1;
    fuse_fd = -1;
    if (geteuid() != 0 || access("/dev/fuse", R_OK | W_OK) < 0)
        return 0;
    (void)snprintf(fuse_dir, sizeof(fuse_dir), "/tmp/msp-fuse.XXXXXX");
    if (!mkdtemp(fuse_dir) || unshare(CLONE_NEWNS) < 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return -1;
    fuse_fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (fuse_fd < 0)
        return 0; /* not in this kernel */
    (void)snprintf(options, sizeof(options),
                   "fd=%d,rootmode=40000,user_id=0,group_id=0", fuse_fd);
    return mount("test", fuse_dir, "fuse", MS_NOSUID | MS_NODEV, options);
}

static int teardown_fuse(void **state)
{
    if (fuse_fd >= 0) {
        (void)close(fuse_fd); /* ends the connection */
        (void)umount2(fuse_dir, MNT_DETACH);
        (void)rmdir(fuse_dir);
    }
    return teardown(state);
}

static void a_hanging_file_system_holds_up_nobody(void **state)
{
    struct bench *bench = *state;
    char path[96];

    if (fuse_fd < 0)
        skip();
    fuse_init();
    (void)snprintf(path, sizeof(path), "%s/tool", fuse_dir);
    ask(bench, 1, path, MSP_OPEN_HASH);
    assert_true(fuse_swallow(SOON_MS)); /* it waits for us now, for ever */
    ask(bench, 2, "/bin/sh", 0);
    expect(bench, 2, 0);
    bench->late_ms = MSP_HASH_MS + 1;
    expect(bench, 1, -ETIMEDOUT);
    for (int i = 0; i < 50; i++) {
        assert_ok(msp_opener_run(&bench->opener, now(bench)));
        (void)usleep(1000);
    }
    /* killed, but the kernel waits for the answer: others are served still */
    assert_int_equal(n_processes(bench), 1);
    ask(bench, 3, "/bin/sh", 0);
    expect(bench, 3, 0);
    /* its path costs no second process */
    for (uint32_t id = 4; id < 4 + MSP_OPENER_SLOTS; id++) {
        ask(bench, id, path, 0);
        expect(bench, id, -ETIMEDOUT);
    }
    assert_true(n_processes(bench) <= 2); /* that of request 3 may end yet */
    (void)close(fuse_fd);
    wait_for_ends(bench);
    ask(bench, 100, path, 0);
    expect(bench, 100, -ENOTCONN); /* asked for again, and the answer is real */
    (void)umount2(fuse_dir, MNT_DETACH);
    (void)rmdir(fuse_dir);
    fuse_fd = -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_request_has_one_reply, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(bad_requests_are_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_watch_is_handed_on, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_slow_one_holds_up_nobody, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(hashing_may_take_longer, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(there_are_only_so_many, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_hanging_file_system_holds_up_nobody,
                                        setup_fuse, teardown_fuse),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
