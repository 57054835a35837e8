/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "exes_fixture.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/io.h"
#include "netns/walk.h"

uint64_t exes_late_ms;

static uint64_t late_clock(void)
{
    return msp_io_now_ms() + exes_late_ms;
}

static void hash_of(const char *path, uint8_t ret[MSP_DIGEST_BYTES])
{
    msp_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);

    memset(ret, 0, MSP_DIGEST_BYTES);
    assert_true(read(fd, ret, MSP_DIGEST_BYTES) >= 0); /* its first bytes do */
}

static void play_hash(const struct exes_request *request,
                      struct msp_child_open *reply)
{
    struct exes_bench *bench = request->bench;

    bench->n_hashed++;
    reply->flags |= MSP_OPEN_HASH;
    hash_of(request->path, reply->sha256);
    if (bench->unsure && strstr(request->path, bench->unsure))
        reply->flags |= MSP_OPEN_UNSURE;
    if (bench->writes)
        assert_ok(chmod(request->path, 0700 | (bench->n_hashed & 7)));
}

/* As mspd-netns walks, but for what the test has it say. */
static void play_walk(struct exes_bench *bench, const char *path,
                      struct msp_child_open *reply)
{
    msp_autoclose int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

    assert_true(root_fd >= 0);
    msp_walk(root_fd, bench->exes.watch.fd, path, reply);
    bench->n_walks++;
    for (uint32_t i = 0; i < reply->n_hops && bench->blind; i++)
        reply->hop[i].wd = bench->blind;
}

static void on_answer(void *data)
{
    static struct msp_child_open reply;
    struct exes_request *request = data;
    struct exes_bench *bench = request->bench;
    msp_open_fn fn = request->fn;
    int fd, r;

    reply = (struct msp_child_open){.flags = 0};
    if (request->flags & MSP_OPEN_WALK)
        play_walk(bench, request->path, &reply);
    fd = open(request->path, O_PATH | O_CLOEXEC);
    r = fd < 0 ? -errno : 0;
    if (r == 0 && request->flags & MSP_OPEN_HASH)
        play_hash(request, &reply);
    if (bench->meanwhile)
        bench->meanwhile(bench);
    request->fn = NULL;
    bench->n_outstanding--;
    fn(request->data, r, fd, &reply);
}

static int play_open(void *data, const char *path, uint32_t flags,
                     msp_open_fn fn, void *fn_data)
{
    struct exes_bench *bench = data;
    struct exes_request *request = bench->request;

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
    struct exes_bench *bench = data;

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
            .time_gran = bench->time_gran,
        };
    }
    return 0;
}

static int play_running(void *data,
                        void (*fn)(void *fn_data, const struct msp_exe *exe),
                        void *fn_data)
{
    struct exes_bench *bench = data;

    fn(fn_data, &bench->running);
    return 0;
}

static void on_changed(void *data)
{
    struct exes_bench *bench = data;

    bench->n_changed++;
}

static void on_hashed(void *data, const struct msp_exe_file *file)
{
    struct exes_bench *bench = data;

    assert_true(file->current.has_sha256);
    bench->n_told++;
}

static const struct msp_exes_ops ops = {
    .hashed = on_hashed,
    .open = play_open,
    .facts = play_facts,
    .running = play_running,
    .changed = on_changed,
};

int exes_setup(void **state)
{
    struct exes_bench *bench = calloc(1, sizeof(*bench));

    *state = bench;
    exes_late_ms = 0;
    if (!bench || msp_loop_new(&bench->loop) < 0)
        return -1;
    msp_loop_set_clock(bench->loop, late_clock);
    (void)snprintf(bench->dir, sizeof(bench->dir), "/tmp/msp-exes.XXXXXX");
    if (!mkdtemp(bench->dir))
        return -1;
    bench->n_strings = 1;
    return msp_exes_init(&bench->exes, bench->loop, &ops, bench);
}

int exes_teardown(void **state)
{
    struct exes_bench *bench = *state;
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

const char *exes_in_dir(const struct exes_bench *bench, const char *name)
{
    static char path[4][192];
    static int next;

    next = (next + 1) % 4;
    (void)snprintf(path[next], sizeof(path[next]), "%s/%s", bench->dir, name);
    return path[next];
}

void exes_put_file(const struct exes_bench *bench, const char *name,
                   const char *text)
{
    msp_autoclose int fd = open(exes_in_dir(bench, name),
                                O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

void exes_make_dir(const struct exes_bench *bench, const char *name)
{
    assert_ok(mkdir(exes_in_dir(bench, name), 0755));
}

void exes_move(const struct exes_bench *bench, const char *from, const char *to)
{
    assert_ok(rename(exes_in_dir(bench, from), exes_in_dir(bench, to)));
}

void exes_add_path(struct exes_bench *bench, const char *name, uint32_t flags)
{
    const char *path = exes_in_dir(bench, name);
    uint32_t i = bench->image.n[MSP_SEC_EXES]++;

    bench->exe[i] =
        (struct msp_image_exe){.path_off = bench->n_strings, .flags = flags};
    memcpy(bench->strings + bench->n_strings, path, strlen(path) + 1);
    bench->n_strings += (uint32_t)strlen(path) + 1;
    bench->image.strings = bench->strings;
    bench->image.exes = bench->exe;
    bench->image.n[MSP_SEC_STRINGS] = bench->n_strings;
}

void exes_no_paths(struct exes_bench *bench)
{
    bench->image.n[MSP_SEC_EXES] = 0;
}

static void quit(void *data)
{
    msp_loop_quit(data, 0);
}

void exes_run(struct exes_bench *bench, uint64_t ms)
{
    struct msp_timer timer;

    msp_timer_init(bench->loop, &timer, quit, bench->loop);
    assert_ok(msp_timer_set(&timer, ms));
    assert_ok(msp_loop_run(bench->loop));
}

void exes_pass(struct exes_bench *bench, uint64_t ms)
{
    exes_late_ms += ms;
    exes_run(bench, 30);
}

static void on_prepared(void *data)
{
    struct exes_bench *bench = data;

    bench->n_prepared++;
}

void exes_begin(struct exes_bench *bench)
{
    bench->n_prepared = 0;
    assert_ok(
        msp_exes_prepare(&bench->exes, &bench->image, on_prepared, bench));
}

void exes_wait_prepared(struct exes_bench *bench)
{
    for (int i = 0; i < SOON_MS && !bench->n_prepared; i++)
        exes_run(bench, 1);
    assert_int_equal(bench->n_prepared, 1);
}

void exes_go_live(struct exes_bench *bench)
{
    exes_begin(bench);
    exes_wait_prepared(bench);
    msp_exes_commit(&bench->exes);
    for (int i = 0; i < SOON_MS && msp_exes_unwatched(&bench->exes); i++)
        exes_run(bench, 1);
    exes_run(bench, 50); /* looked at again once they are watched */
    bench->n_changed = 0;
}

const struct msp_exe_file *exes_file(const struct exes_bench *bench,
                                     const char *name)
{
    static const struct msp_exe_file none;
    const struct msp_exe_file *found =
        msp_exes_file(&bench->exes, exes_in_dir(bench, name));

    assert_non_null(found);
    return found ? found : &none;
}

struct msp_exe exes_exe_at(const struct exes_bench *bench, const char *name)
{
    msp_autoclose int fd = open(exes_in_dir(bench, name), O_PATH | O_CLOEXEC);

    assert_true(fd >= 0);
    return exe_of(fd);
}

bool exes_names(const struct exes_bench *bench, const char *name,
                struct msp_exe exe)
{
    const struct msp_exe_file *found = exes_file(bench, name);

    return found->has_current &&
           msp_exe_compare(&found->current.exe, &exe) == 0;
}

void exes_expect_noticed(struct exes_bench *bench, const char *name)
{
    struct msp_exe exe = exes_exe_at(bench, name);
    uint64_t end = msp_io_now_ms() + 1000;

    while (msp_io_now_ms() < end &&
           (!exes_names(bench, name, exe) || !bench->n_changed))
        exes_run(bench, 5);
    assert_true(exes_names(bench, name, exe));
    assert_true(bench->n_changed > 0);
}
