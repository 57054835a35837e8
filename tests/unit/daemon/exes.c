/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/exes.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/io.h"
#include "harness/test.h"

enum {
    PATHS = 12,
    STRINGS = 4096,
    SOON_MS = 3000 /* a machine with much to do */
};

/*
 * Real files and a real inotify; mspd-netns and the kernel are played: opens
 * are answered in the next round of the loop, unless they are held back.
 */
struct request {
    struct msp_timer timer;
    char path[256];
    uint32_t flags;
    msp_open_fn fn;
    void *data;
    struct bench *bench;
};

struct bench {
    struct msp_loop *loop;
    struct msp_exes exes;
    char dir[64];
    struct request request[MSP_OPENS_MAX];
    size_t n_outstanding;
    size_t n_opens;
    const char *silent; /* paths with this in them are never answered */
    const char *unsure; /* hashes of these are unsure */
    bool writes;        /* files are written while they are read */
    size_t n_hashed;
    uint64_t magic; /* of every file; 0 = ext4 */
    struct msp_exe running;
    int n_changed;
    int n_prepared;
    char strings[STRINGS];
    uint32_t n_strings;
    struct msp_image_exe exe[PATHS];
    struct msp_image image;
};

static uint64_t late_ms;

static uint64_t late_clock(void)
{
    return msp_io_now_ms() + late_ms;
}

static void hash_of(const char *path, uint8_t ret[MSP_DIGEST_BYTES])
{
    msp_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);

    memset(ret, 0, MSP_DIGEST_BYTES);
    assert_true(read(fd, ret, MSP_DIGEST_BYTES) >= 0); /* its first bytes do */
}

static void on_answer(void *data)
{
    struct request *request = data;
    struct bench *bench = request->bench;
    int fd = open(request->path,
                  O_PATH | O_CLOEXEC |
                      (request->flags & MSP_OPEN_DIR ? O_DIRECTORY : 0));
    int r = fd < 0 ? -errno : 0;
    uint8_t sha256[MSP_DIGEST_BYTES];
    uint32_t flags = 0;
    msp_open_fn fn = request->fn;

    if (r == 0 && request->flags & MSP_OPEN_HASH) {
        bench->n_hashed++;
        flags = MSP_OPEN_HASH;
        hash_of(request->path, sha256);
        if (bench->unsure && strstr(request->path, bench->unsure))
            flags |= MSP_OPEN_UNSURE;
        if (bench->writes)
            assert_ok(chmod(request->path, 0700 | (bench->n_hashed & 7)));
    }
    request->fn = NULL;
    bench->n_outstanding--;
    fn(request->data, r, fd, flags, sha256);
}

static int play_open(void *data, const char *path, uint32_t flags,
                     msp_open_fn fn, void *fn_data)
{
    struct bench *bench = data;
    struct request *request = bench->request;

    bench->n_opens++;
    for (; request->fn; request++)
        assert_true(request < bench->request + MSP_OPENS_MAX - 1);
    request->fn = fn;
    request->data = fn_data;
    request->flags = flags;
    request->bench = bench;
    (void)snprintf(request->path, sizeof(request->path), "%s", path);
    bench->n_outstanding++;
    msp_timer_init(bench->loop, &request->timer, on_answer, request);
    if (bench->silent && strstr(path, bench->silent))
        return 0;
    return msp_timer_set(&request->timer, 0);
}

static struct msp_exe exe_of(int fd)
{
    char path[32];
    struct stat st;
    int generation = 0;

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    assert_ok(fstat(fd, &st));
    if (S_ISREG(st.st_mode)) {
        msp_autoclose int rd = open(path, O_RDONLY | O_CLOEXEC);

        (void)ioctl(rd, FS_IOC_GETVERSION, &generation);
    }
    return (struct msp_exe){.s_dev = (uint32_t)st.st_dev,
                            .generation = (uint32_t)generation,
                            .ino = st.st_ino};
}

static int play_facts(void *data, const int *fd, size_t n,
                      struct msp_file_fact *ret)
{
    struct bench *bench = data;

    for (size_t i = 0; i < n; i++) {
        struct stat st;

        assert_ok(fstat(fd[i], &st));
        ret[i] = (struct msp_file_fact){
            .exe = exe_of(fd[i]),
            .ctime_sec = st.st_ctim.tv_sec,
            .ctime_nsec = (uint32_t)st.st_ctim.tv_nsec,
            .magic = bench->magic ? bench->magic : EXT4_SUPER_MAGIC,
            .fd = (uint32_t)fd[i],
            .mode = st.st_mode,
            .nlink = (uint32_t)st.st_nlink,
        };
    }
    return 0;
}

static int play_running(void *data,
                        void (*fn)(void *fn_data, const struct msp_exe *exe),
                        void *fn_data)
{
    struct bench *bench = data;

    fn(fn_data, &bench->running);
    return 0;
}

static void on_changed(void *data)
{
    struct bench *bench = data;

    bench->n_changed++;
}

static const struct msp_exes_ops ops = {
    .open = play_open,
    .facts = play_facts,
    .running = play_running,
    .changed = on_changed,
};

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    *state = bench;
    late_ms = 0;
    if (!bench || msp_loop_new(&bench->loop) < 0)
        return -1;
    msp_loop_set_clock(bench->loop, late_clock);
    (void)snprintf(bench->dir, sizeof(bench->dir), "/tmp/msp-exes.XXXXXX");
    if (!mkdtemp(bench->dir))
        return -1;
    bench->n_strings = 1;
    return msp_exes_init(&bench->exes, bench->loop, &ops, bench);
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    char command[128];

    msp_exes_done(&bench->exes);
    bench->loop = msp_loop_free(bench->loop);
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", bench->dir);
    if (system(command) != 0)
        return -1;
    free(bench);
    return 0;
}

/* --- what tests do ------------------------------------------------------ */

static const char *in_dir(const struct bench *bench, const char *name)
{
    static char path[4][192];
    static int next;

    next = (next + 1) % 4;
    (void)snprintf(path[next], sizeof(path[next]), "%s/%s", bench->dir, name);
    return path[next];
}

static void put_file(const struct bench *bench, const char *name,
                     const char *text)
{
    msp_autoclose int fd = open(in_dir(bench, name),
                                O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void make_dir(const struct bench *bench, const char *name)
{
    assert_ok(mkdir(in_dir(bench, name), 0755));
}

static void move(const struct bench *bench, const char *from, const char *to)
{
    assert_ok(rename(in_dir(bench, from), in_dir(bench, to)));
}

static void add_path(struct bench *bench, const char *name, uint32_t flags)
{
    const char *path = in_dir(bench, name);
    uint32_t i = bench->image.n[MSP_SEC_EXES]++;

    bench->exe[i] =
        (struct msp_image_exe){.path_off = bench->n_strings, .flags = flags};
    memcpy(bench->strings + bench->n_strings, path, strlen(path) + 1);
    bench->n_strings += (uint32_t)strlen(path) + 1;
    bench->image.strings = bench->strings;
    bench->image.exes = bench->exe;
    bench->image.n[MSP_SEC_STRINGS] = bench->n_strings;
}

static void no_paths(struct bench *bench)
{
    bench->image.n[MSP_SEC_EXES] = 0;
}

static void quit(void *data)
{
    msp_loop_quit(data, 0);
}

/* Runs the loop for a while. */
static void run(struct bench *bench, uint64_t ms)
{
    struct msp_timer timer;

    msp_timer_init(bench->loop, &timer, quit, bench->loop);
    assert_ok(msp_timer_set(&timer, ms));
    assert_ok(msp_loop_run(bench->loop));
}

static void pass(struct bench *bench, uint64_t ms)
{
    late_ms += ms;
    run(bench, 30);
}

static void on_prepared(void *data)
{
    struct bench *bench = data;

    bench->n_prepared++;
}

static void begin(struct bench *bench)
{
    bench->n_prepared = 0;
    assert_ok(
        msp_exes_prepare(&bench->exes, &bench->image, on_prepared, bench));
}

static void wait_prepared(struct bench *bench)
{
    for (int i = 0; i < SOON_MS && !bench->n_prepared; i++)
        run(bench, 1);
    assert_int_equal(bench->n_prepared, 1);
}

/* The image is live, its directories watched. */
static void go_live(struct bench *bench)
{
    begin(bench);
    wait_prepared(bench);
    msp_exes_commit(&bench->exes);
    for (int i = 0; i < SOON_MS && msp_exes_unwatched(&bench->exes); i++)
        run(bench, 1);
    run(bench, 50); /* looked at again once they are watched */
    bench->n_changed = 0;
}

static const struct msp_exe_file *file(const struct bench *bench,
                                       const char *name)
{
    static const struct msp_exe_file none;
    const struct msp_exe_file *found =
        msp_exes_file(&bench->exes, in_dir(bench, name));

    assert_non_null(found);
    return found ? found : &none;
}

static struct msp_exe exe_at(const struct bench *bench, const char *name)
{
    msp_autoclose int fd = open(in_dir(bench, name), O_PATH | O_CLOEXEC);

    assert_true(fd >= 0);
    return exe_of(fd);
}

static bool names(const struct bench *bench, const char *name,
                  struct msp_exe exe)
{
    const struct msp_exe_file *found = file(bench, name);

    return found->has_current &&
           msp_exe_compare(&found->current.exe, &exe) == 0;
}

/* Until the path names what is there now; within a second, as promised. */
static void expect_noticed(struct bench *bench, const char *name)
{
    struct msp_exe exe = exe_at(bench, name);
    uint64_t end = msp_io_now_ms() + 1000;

    while (msp_io_now_ms() < end &&
           (!names(bench, name, exe) || !bench->n_changed))
        run(bench, 5);
    assert_true(names(bench, name, exe));
    assert_true(bench->n_changed > 0);
}

/* --- claims ------------------------------------------------------------- */

static void prepare_waits_for_every_file(void **state)
{
    struct bench *bench = *state;
    msp_autofree struct msp_exe_found *found = NULL;
    size_t n;

    put_file(bench, "a", "a");
    put_file(bench, "b", "b");
    add_path(bench, "a", MSP_EXE_HOST);
    add_path(bench, "b", MSP_EXE_HOST);
    add_path(bench, "missing", MSP_EXE_HOST);
    add_path(bench, "of-containers", 0);
    begin(bench);
    assert_int_equal(bench->n_prepared, 0);
    wait_prepared(bench);
    assert_int_equal(file(bench, "a")->why, MSP_EXE_OK);
    assert_int_equal(file(bench, "missing")->why, MSP_EXE_MISSING);
    assert_null(msp_exes_file(&bench->exes, in_dir(bench, "of-containers")));
    assert_ok(msp_exes_found(&bench->exes, &bench->image, &found, &n));
    assert_int_equal(n, 2);
    assert_int_equal(found[0].path, 0);
    assert_int_equal(found[1].path, 1);
    assert_int_equal(found[1].retired_ns, 0);
}

static void without_files_nothing_is_waited_for(void **state)
{
    struct bench *bench = *state;

    begin(bench);
    assert_int_equal(bench->n_prepared, 1);
}

static void what_is_known_is_not_asked_again(void **state)
{
    struct bench *bench = *state;
    size_t n_opens;

    put_file(bench, "a", "a");
    add_path(bench, "a", MSP_EXE_HOST);
    go_live(bench);
    n_opens = bench->n_opens;
    begin(bench);
    assert_int_equal(bench->n_prepared, 1);
    assert_int_equal(bench->n_opens, n_opens);
}

static void one_without_an_answer_is_waited_for_only_so_long(void **state)
{
    struct bench *bench = *state;

    put_file(bench, "a", "a");
    put_file(bench, "silent", "b");
    bench->silent = "silent";
    add_path(bench, "a", MSP_EXE_HOST);
    add_path(bench, "silent", MSP_EXE_HOST);
    begin(bench);
    run(bench, 50);
    assert_int_equal(bench->n_prepared, 0);
    pass(bench, MSP_EXES_WAIT_MS);
    assert_int_equal(bench->n_prepared, 1);
    msp_exes_commit(&bench->exes);
    assert_true(file(bench, "a")->has_current);
    assert_false(file(bench, "silent")->has_current);
    /* and when it answers after all, that counts */
    bench->n_changed = 0;
    for (size_t i = 0; i < MSP_OPENS_MAX; i++)
        if (bench->request[i].fn)
            assert_ok(msp_timer_set(&bench->request[i].timer, 0));
    bench->silent = NULL;
    expect_noticed(bench, "silent");
}

static void a_replaced_file_is_noticed(void **state)
{
    struct bench *bench = *state;
    struct msp_exe before;

    put_file(bench, "tool", "old");
    put_file(bench, "tool.new", "new");
    add_path(bench, "tool", MSP_EXE_HOST);
    go_live(bench);
    before = exe_at(bench, "tool");
    move(bench, "tool.new", "tool");
    expect_noticed(bench, "tool");
    assert_int_equal(file(bench, "tool")->n_retired, 1);
    assert_int_equal(
        msp_exe_compare(&file(bench, "tool")->retired[0].exe, &before), 0);
    assert_string_equal(msp_exes_path(&bench->exes, &before),
                        in_dir(bench, "tool"));
    assert_int_equal(msp_exes_retired(&bench->exes), 1);
}

static void a_deleted_file_is_retired(void **state)
{
    struct bench *bench = *state;

    put_file(bench, "tool", "old");
    add_path(bench, "tool", MSP_EXE_HOST);
    go_live(bench);
    assert_ok(unlink(in_dir(bench, "tool")));
    for (int i = 0; i < 200 && file(bench, "tool")->has_current; i++)
        run(bench, 5);
    assert_int_equal(file(bench, "tool")->why, MSP_EXE_MISSING);
    assert_int_equal(file(bench, "tool")->n_retired, 1);
    assert_int_equal(bench->n_changed, 1);
    put_file(bench, "tool", "new");
    expect_noticed(bench, "tool");
}

static void behind_a_link_the_file_itself_is_watched(void **state)
{
    struct bench *bench = *state;

    make_dir(bench, "given");
    make_dir(bench, "real");
    put_file(bench, "real/tool", "old");
    put_file(bench, "real/tool.new", "new");
    put_file(bench, "real/other", "other");
    assert_ok(symlink("../real/tool", in_dir(bench, "given/tool")));
    add_path(bench, "given/tool", MSP_EXE_HOST);
    go_live(bench);
    assert_string_equal(file(bench, "given/tool")->current.real,
                        in_dir(bench, "real/tool"));
    move(bench, "real/tool.new", "real/tool");
    expect_noticed(bench, "given/tool");
    /* and the link */
    bench->n_changed = 0;
    assert_ok(symlink("../real/other", in_dir(bench, "given/tool.new")));
    move(bench, "given/tool.new", "given/tool");
    expect_noticed(bench, "given/tool");
    assert_string_equal(file(bench, "given/tool")->current.real,
                        in_dir(bench, "real/other"));
    assert_int_equal(file(bench, "given/tool")->n_retired, 2);
}

static void a_replaced_directory_is_noticed(void **state)
{
    struct bench *bench = *state;

    make_dir(bench, "bin");
    put_file(bench, "bin/tool", "old");
    make_dir(bench, "next");
    put_file(bench, "next/tool", "new");
    put_file(bench, "newer", "newer");
    add_path(bench, "bin/tool", MSP_EXE_HOST);
    go_live(bench);
    move(bench, "bin", "gone");
    move(bench, "next", "bin");
    expect_noticed(bench, "bin/tool");
    /* the new one is watched now */
    run(bench, 300);
    bench->n_changed = 0;
    move(bench, "newer", "bin/tool");
    expect_noticed(bench, "bin/tool");
}

static void where_no_watch_can_be_files_are_looked_for(void **state)
{
    struct bench *bench = *state;

    add_path(bench, "later/tool", MSP_EXE_HOST);
    begin(bench);
    wait_prepared(bench);
    msp_exes_commit(&bench->exes);
    run(bench, 50);
    assert_int_equal(msp_exes_unwatched(&bench->exes), 1);
    make_dir(bench, "later");
    put_file(bench, "later/tool", "new");
    bench->n_changed = 0;
    late_ms += MSP_EXE_UNWATCHED_MS;
    expect_noticed(bench, "later/tool");
    run(bench, 50);
    assert_int_equal(msp_exes_unwatched(&bench->exes), 0);
}

/* A link further up is not watched. */
static void what_no_watch_tells_the_sweep_finds(void **state)
{
    struct bench *bench = *state;

    make_dir(bench, "one");
    put_file(bench, "one/tool", "old");
    make_dir(bench, "two");
    put_file(bench, "two/tool", "new");
    put_file(bench, "newer", "newer");
    assert_ok(symlink("one", in_dir(bench, "current")));
    add_path(bench, "current/tool", MSP_EXE_HOST);
    go_live(bench);
    assert_ok(unlink(in_dir(bench, "current")));
    assert_ok(symlink("two", in_dir(bench, "current")));
    run(bench, 200);
    assert_int_equal(bench->n_changed, 0);
    late_ms += MSP_EXE_SWEEP_MS;
    expect_noticed(bench, "current/tool");
    /* from now on its new place is watched */
    run(bench, 300);
    bench->n_changed = 0;
    move(bench, "newer", "two/tool");
    expect_noticed(bench, "current/tool");
}

static void on_other_file_systems_nothing_matches(void **state)
{
    struct bench *bench = *state;

    bench->magic = OVERLAYFS_SUPER_MAGIC;
    put_file(bench, "tool", "a");
    add_path(bench, "tool", MSP_EXE_HOST);
    begin(bench);
    wait_prepared(bench);
    assert_int_equal(file(bench, "tool")->why, MSP_EXE_FILE_SYSTEM);
    assert_int_equal(file(bench, "tool")->magic, OVERLAYFS_SUPER_MAGIC);
    assert_false(file(bench, "tool")->has_current);
}

static void contents_are_read_once_the_file_has_settled(void **state)
{
    struct bench *bench = *state;
    uint64_t began;

    put_file(bench, "tool", "abc");
    began = msp_io_now_ms();
    add_path(bench, "tool", MSP_EXE_HOST | MSP_EXE_HASHED);
    begin(bench);
    wait_prepared(bench);
    assert_true(msp_io_now_ms() - began >= MSP_EXE_SETTLE_MS - 10);
    assert_int_equal(bench->n_hashed, 1);
    assert_true(file(bench, "tool")->current.has_sha256);
    assert_memory_equal(file(bench, "tool")->current.sha256, "abc", 4);
    msp_exes_commit(&bench->exes);
    run(bench, 100);
    /* written: they are not known until they were read again */
    bench->n_changed = 0;
    put_file(bench, "tool", "xyz");
    for (int i = 0; i < 200 && bench->n_hashed < 2; i++)
        run(bench, 5);
    run(bench, 20);
    assert_memory_equal(file(bench, "tool")->current.sha256, "xyz", 4);
    assert_true(bench->n_changed > 0);
    assert_int_equal(file(bench, "tool")->n_retired, 0);
}

static void a_file_written_while_it_is_read_is_not_believed(void **state)
{
    struct bench *bench = *state;

    bench->writes = true;
    put_file(bench, "tool", "abc");
    add_path(bench, "tool", MSP_EXE_HOST | MSP_EXE_HASHED);
    begin(bench);
    wait_prepared(bench);
    assert_true(bench->n_hashed > 1);
    assert_true(file(bench, "tool")->has_current);
    assert_false(file(bench, "tool")->current.has_sha256);
}

static void an_unsure_hash_is_not_believed(void **state)
{
    struct bench *bench = *state;

    bench->unsure = "tool";
    put_file(bench, "tool", "abc");
    add_path(bench, "tool", MSP_EXE_HOST | MSP_EXE_HASHED);
    go_live(bench);
    assert_int_equal(bench->n_hashed, 1);
    assert_false(file(bench, "tool")->current.has_sha256);
    pass(bench, MSP_EXE_SWEEP_MS);
    run(bench, 100);
    assert_int_equal(bench->n_hashed, 1);
}

static void two_paths_of_one_file_change_together(void **state)
{
    struct bench *bench = *state;

    make_dir(bench, "far");
    put_file(bench, "tool", "old");
    put_file(bench, "tool.new", "new");
    assert_ok(symlink("../tool", in_dir(bench, "far/link")));
    add_path(bench, "tool", MSP_EXE_HOST);
    add_path(bench, "far/link", MSP_EXE_HOST);
    go_live(bench);
    move(bench, "tool.new", "tool");
    expect_noticed(bench, "tool");
    assert_int_equal(bench->n_changed, 1);
    assert_true(names(bench, "far/link", exe_at(bench, "tool")));
}

static void retired_files_go_when_nobody_runs_them(void **state)
{
    struct bench *bench = *state;

    put_file(bench, "tool", "old");
    put_file(bench, "tool.new", "new");
    add_path(bench, "tool", MSP_EXE_HOST);
    go_live(bench);
    bench->running = exe_at(bench, "tool");
    move(bench, "tool.new", "tool");
    expect_noticed(bench, "tool");
    for (int i = 0; i < 3; i++)
        pass(bench, MSP_EXE_SWEEP_MS);
    assert_int_equal(msp_exes_retired(&bench->exes), 1);
    bench->running.ino = 1;
    bench->n_changed = 0;
    pass(bench, MSP_EXE_SWEEP_MS);
    assert_int_equal(msp_exes_retired(&bench->exes), 1);
    pass(bench, MSP_EXE_SWEEP_MS);
    assert_int_equal(msp_exes_retired(&bench->exes), 0);
    assert_int_equal(bench->n_changed, 1);
}

static void what_is_abandoned_is_forgotten_what_is_live_stays(void **state)
{
    struct bench *bench = *state;

    put_file(bench, "a", "a");
    put_file(bench, "b", "b");
    add_path(bench, "a", MSP_EXE_HOST);
    go_live(bench);
    no_paths(bench);
    add_path(bench, "b", MSP_EXE_HOST);
    begin(bench);
    wait_prepared(bench);
    assert_non_null(msp_exes_file(&bench->exes, in_dir(bench, "b")));
    msp_exes_abandon(&bench->exes);
    assert_null(msp_exes_file(&bench->exes, in_dir(bench, "b")));
    assert_true(file(bench, "a")->has_current);
    begin(bench);
    wait_prepared(bench);
    msp_exes_commit(&bench->exes);
    assert_null(msp_exes_file(&bench->exes, in_dir(bench, "a")));
    assert_true(file(bench, "b")->has_current);
}

static void a_file_of_the_next_policy_keeps_what_is_known(void **state)
{
    struct bench *bench = *state;

    put_file(bench, "tool", "old");
    put_file(bench, "tool.new", "new");
    put_file(bench, "a", "a");
    add_path(bench, "tool", MSP_EXE_HOST);
    go_live(bench);
    move(bench, "tool.new", "tool");
    expect_noticed(bench, "tool");
    no_paths(bench);
    add_path(bench, "a", MSP_EXE_HOST);
    add_path(bench, "tool", MSP_EXE_HOST);
    begin(bench);
    wait_prepared(bench);
    msp_exes_commit(&bench->exes);
    assert_int_equal(file(bench, "tool")->n_retired, 1);
}

static void dropped_while_asked_for(void **state)
{
    struct bench *bench = *state;

    bench->silent = "silent";
    add_path(bench, "silent1", MSP_EXE_HOST);
    add_path(bench, "silent2", MSP_EXE_HOST);
    begin(bench);
    run(bench, 10);
    assert_int_equal(bench->n_outstanding, 2);
    msp_exes_abandon(&bench->exes);
    /* one answer comes late, the other one never */
    assert_ok(msp_timer_set(&bench->request[0].timer, 0));
    run(bench, 10);
    assert_int_equal(bench->n_outstanding, 1);
    assert_int_equal(bench->exes.n_asked, 1);
}

static void what_hangs_does_not_hide_what_happens(void **state)
{
    struct bench *bench = *state;

    put_file(bench, "tool", "old");
    put_file(bench, "tool.new", "new");
    add_path(bench, "tool", MSP_EXE_HOST);
    go_live(bench);
    bench->silent = "silent";
    for (int i = 0; i < PATHS - 1; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "silent%d", i);
        add_path(bench, name, MSP_EXE_HOST);
    }
    begin(bench);
    run(bench, 20);
    assert_true(bench->n_outstanding >= 4);
    assert_true(bench->n_outstanding < MSP_OPENS_MAX);
    move(bench, "tool.new", "tool");
    expect_noticed(bench, "tool");
}

static void rows_of_an_earlier_mspd_are_taken_over(void **state)
{
    struct bench *bench = *state;
    struct msp_exe_found found[2] = {{.retired_ns = 5, .exe = {1, 2, 3}}, {0}};
    struct msp_exe before;

    put_file(bench, "tool", "old");
    put_file(bench, "tool.new", "new");
    before = exe_at(bench, "tool");
    move(bench, "tool.new", "tool"); /* while no mspd ran */
    found[1].exe = before;
    add_path(bench, "tool", MSP_EXE_HOST);
    assert_ok(msp_exes_prepare(&bench->exes, &bench->image, NULL, NULL));
    assert_ok(msp_exes_recall(&bench->exes, &bench->image, found, 2));
    msp_exes_commit(&bench->exes);
    assert_true(names(bench, "tool", before));
    expect_noticed(bench, "tool");
    assert_int_equal(file(bench, "tool")->n_retired, 2);
    assert_int_equal(
        msp_exe_compare(&file(bench, "tool")->retired[1].exe, &before), 0);
}

static void log_finds_only_files_of_the_policy(void **state)
{
    struct bench *bench = *state;
    struct msp_exe a, other;

    put_file(bench, "a", "a");
    put_file(bench, "other", "b");
    add_path(bench, "a", MSP_EXE_HOST);
    go_live(bench);
    a = exe_at(bench, "a");
    other = exe_at(bench, "other");
    assert_string_equal(msp_exes_path(&bench->exes, &a), in_dir(bench, "a"));
    assert_null(msp_exes_path(&bench->exes, &other));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(prepare_waits_for_every_file),
        TEST(without_files_nothing_is_waited_for),
        TEST(what_is_known_is_not_asked_again),
        TEST(one_without_an_answer_is_waited_for_only_so_long),
        TEST(a_replaced_file_is_noticed),
        TEST(a_deleted_file_is_retired),
        TEST(behind_a_link_the_file_itself_is_watched),
        TEST(a_replaced_directory_is_noticed),
        TEST(where_no_watch_can_be_files_are_looked_for),
        TEST(what_no_watch_tells_the_sweep_finds),
        TEST(on_other_file_systems_nothing_matches),
        TEST(contents_are_read_once_the_file_has_settled),
        TEST(a_file_written_while_it_is_read_is_not_believed),
        TEST(an_unsure_hash_is_not_believed),
        TEST(two_paths_of_one_file_change_together),
        TEST(retired_files_go_when_nobody_runs_them),
        TEST(what_is_abandoned_is_forgotten_what_is_live_stays),
        TEST(a_file_of_the_next_policy_keeps_what_is_known),
        TEST(dropped_while_asked_for),
        TEST(what_hangs_does_not_hide_what_happens),
        TEST(rows_of_an_earlier_mspd_are_taken_over),
        TEST(log_finds_only_files_of_the_policy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
