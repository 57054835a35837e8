/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Outer maps set at once, with threads and without. Needs root. */
#include "loader/outer.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <bpf/bpf.h>

#include "harness/test.h"

enum {
    MAPS = 40,
    SLOTS = 4,
    SLOT = 2
};

struct maps {
    struct msp_outer outer[MAPS];
    int misfit; /* a map that none of them takes */
};

static int make_inner(__u32 key_bytes)
{
    return bpf_map_create(BPF_MAP_TYPE_HASH, "inner", key_bytes, 4, 1, NULL);
}

static int make_maps(void **state)
{
    struct maps *maps = calloc(1, sizeof(*maps));
    LIBBPF_OPTS(bpf_map_create_opts, opts);

    if (!maps)
        return -1;
    *state = maps;
    maps->misfit = make_inner(8);
    for (size_t i = 0; i < MAPS; i++) {
        struct msp_outer *outer = &maps->outer[i];

        outer->inner_fd = make_inner(4);
        opts.inner_map_fd = (__u32)outer->inner_fd;
        outer->outer_fd = bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "outer", 4,
                                         4, SLOTS, &opts);
        if (outer->inner_fd < 0 || outer->outer_fd < 0)
            return -1;
    }
    return maps->misfit < 0 ? -1 : 0;
}

static int close_maps(void **state)
{
    struct maps *maps = *state;

    for (size_t i = 0; maps && i < MAPS; i++) {
        (void)close(maps->outer[i].outer_fd);
        (void)close(maps->outer[i].inner_fd);
    }
    if (maps)
        (void)close(maps->misfit);
    free(maps);
    return 0;
}

/* Whether the slot holds its inner map and the others hold none. */
static bool is_set(const struct msp_outer *outer)
{
    struct bpf_map_info info = {0};
    __u32 len = sizeof(info), id = 0;

    if (bpf_obj_get_info_by_fd(outer->inner_fd, &info, &len) < 0)
        return false;
    for (__u32 slot = 0; slot < SLOTS; slot++) {
        int r = bpf_map_lookup_elem(outer->outer_fd, &slot, &id);

        if (slot == SLOT ? r < 0 || id != info.id : r >= 0)
            return false;
    }
    return true;
}

static size_t n_set(const struct maps *maps)
{
    size_t n = 0;

    for (size_t i = 0; i < MAPS; i++)
        n += is_set(&maps->outer[i]);
    return n;
}

/*
 * Whether a thread of ours may still do something. One that was joined is in
 * /proc for a moment more, ending.
 */
static bool is_at_work(const char *tid)
{
    const unsigned int ending = 4; /* PF_EXITING */
    unsigned int flags = ending;
    char path[300], line[512] = "";
    const char *rest;
    FILE *f;

    (void)snprintf(path, sizeof(path), "/proc/self/task/%s/stat", tid);
    f = fopen(path, "re");
    if (f) {
        rest = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
        if (rest)
            (void)sscanf(rest, ") %*c %*d %*d %*d %*d %*d %u", &flags);
        (void)fclose(f);
    }
    return !(flags & ending);
}

static size_t n_threads(void)
{
    DIR *dir = opendir("/proc/self/task");
    size_t n = 0;

    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        n += entry->d_name[0] != '.' && is_at_work(entry->d_name);
    (void)closedir(dir);
    return n;
}

static void any_number_is_set(void **state)
{
    static const size_t counts[] = {0, 1, 12, MAPS};
    struct maps *maps = *state;
    size_t which = MAPS;

    for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
        assert_ok(msp_outer_set(maps->outer, counts[i], SLOT, &which));
        assert_int_equal(n_set(maps), counts[i]);
        assert_int_equal(n_threads(), 1);
    }
    assert_int_equal(which, MAPS);
}

static void the_first_failure_is_named_and_all_have_returned(void **state)
{
    struct maps *maps = *state;
    int fits[2] = {maps->outer[7].inner_fd, maps->outer[30].inner_fd};
    size_t which = MAPS;

    maps->outer[7].inner_fd = maps->misfit;
    maps->outer[30].inner_fd = -1;
    assert_errno(msp_outer_set(maps->outer, MAPS, SLOT, &which), EINVAL);
    maps->outer[7].inner_fd = fits[0];
    maps->outer[30].inner_fd = fits[1];
    assert_int_equal(which, 7);
    assert_int_equal(n_set(maps), MAPS - 2);
    assert_int_equal(n_threads(), 1);
    assert_ok(msp_outer_set(maps->outer, MAPS, SLOT, &which));
    assert_int_equal(n_set(maps), MAPS);
}

static void *do_nothing(void *data)
{
    return data;
}

/* In a process that has no memory left for a thread's stack. */
static int set_without_threads(const struct maps *maps)
{
    const struct rlimit none = {0, 0};
    size_t which = MAPS;
    pthread_t thread;

    free(malloc(65536)); /* the heap has grown already */
    if (setrlimit(RLIMIT_AS, &none) < 0)
        return 2;
    if (pthread_create(&thread, NULL, do_nothing, NULL) != EAGAIN)
        return 3;
    return msp_outer_set(maps->outer, MAPS, SLOT, &which) == 0 ? 0 : 4;
}

static void without_threads_it_is_only_slower(void **state)
{
    struct maps *maps = *state;
    int status = -1;
    pid_t pid = fork();

    if (pid == 0)
        _exit(set_without_threads(maps));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(n_set(maps), MAPS);
}

/* --- who takes a signal -------------------------------------------------- */

struct watch {
    pid_t main, self;
    bool is_over;
    unsigned long n_seen, n_open; /* threads; those that would take one */
};

/* The signals that one thread of ours has blocked; none = it is gone. */
static bool read_blocked(const char *tid, uint64_t *ret_mask)
{
    char path[300], line[128];
    bool is_found = false;
    FILE *f;

    (void)snprintf(path, sizeof(path), "/proc/self/task/%s/status", tid);
    f = fopen(path, "re");
    while (f && !is_found && fgets(line, sizeof(line), f))
        is_found = sscanf(line, "SigBlk: %lx", ret_mask) == 1;
    if (f)
        (void)fclose(f);
    return is_found;
}

static void *watch_threads(void *data)
{
    const uint64_t ours = 1ull << (SIGHUP - 1) | 1ull << (SIGTERM - 1) |
                          1ull << (SIGALRM - 1) | 1ull << (SIGRTMAX - 1);
    struct watch *watch = data;

    watch->self = (pid_t)syscall(SYS_gettid);
    while (!__atomic_load_n(&watch->is_over, __ATOMIC_ACQUIRE)) {
        DIR *dir = opendir("/proc/self/task");

        for (struct dirent *entry; dir && (entry = readdir(dir));) {
            long tid = strtol(entry->d_name, NULL, 10);
            uint64_t mask;

            if (tid <= 0 || tid == watch->main || tid == watch->self ||
                !read_blocked(entry->d_name, &mask) || !mask)
                continue;
            watch->n_seen++;
            watch->n_open += (mask & ours) != ours;
        }
        (void)closedir(dir);
    }
    return NULL;
}

static void its_threads_take_no_signal(void **state)
{
    struct maps *maps = *state;
    struct watch watch = {.main = getpid()};
    sigset_t before, after;
    pthread_t thread;
    size_t which;

    (void)sigemptyset(&before);
    (void)sigemptyset(&after);
    (void)sigaddset(&before, SIGUSR1); /* or a thread may have none blocked */
    assert_ok(pthread_sigmask(SIG_SETMASK, &before, NULL));
    assert_ok(pthread_create(&thread, NULL, watch_threads, &watch));
    for (int i = 0; i < 20; i++)
        assert_ok(msp_outer_set(maps->outer, MAPS, SLOT, &which));
    __atomic_store_n(&watch.is_over, true, __ATOMIC_RELEASE);
    assert_ok(pthread_join(thread, NULL));
    assert_true(watch.n_seen > 0);
    assert_int_equal(watch.n_open, 0);
    assert_ok(pthread_sigmask(SIG_SETMASK, NULL, &after));
    assert_memory_equal(&before, &after, sizeof(before));
}

#define MAPS_TEST(f) cmocka_unit_test_setup_teardown(f, make_maps, close_maps)

int main(void)
{
    const struct CMUnitTest tests[] = {
        /* first: the stack of a thread that was is kept for the next */
        MAPS_TEST(without_threads_it_is_only_slower),
        MAPS_TEST(any_number_is_set),
        MAPS_TEST(the_first_failure_is_named_and_all_have_returned),
        MAPS_TEST(its_threads_take_no_signal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
