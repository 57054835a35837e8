/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "bpf/trace.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "daemon/cgroup.h"
#include "harness/test.h"
#include "loader/load.h"
#include "msp.skel.h"

struct trace_fixture {
    struct slot_fixture *slot;
    char mount[PATH_MAX];
    char cgroup[PATH_MAX + 64];
    int link_fd[MSP_PROG_CGROUP_LINKS];
};

/* Of the whole group of tests; NULL: each test loads the object for itself. */
static struct slot_fixture *shared;

int trace_group_setup(void **state)
{
    void *slot = NULL;
    int r = slot_fixture_setup(&slot);

    (void)state;
    shared = slot;
    return r;
}

int trace_group_teardown(void **state)
{
    void *slot = shared;

    (void)state;
    shared = NULL;
    return slot ? slot_fixture_teardown(&slot) : 0;
}

/* Leaves the group's object as it was loaded, but for counters. */
static void forget_records(struct slot_fixture *slot)
{
    struct msp_loader *loader = slot_fixture_loader(slot);
    int fd = msp_loader_map_fd(loader, "msp_exec");
    uint32_t tgid;

    while (bpf_map_get_next_key(fd, NULL, &tgid) == 0)
        (void)bpf_map_delete_elem(fd, &tgid);
    loader->meta->scope_level = 0;
    loader->meta->scope_cgroup = 0;
    msp_loader_beat(loader, 0); /* tells the time of day anew */
}

static int find_mount(char ret_mount[PATH_MAX])
{
    msp_autofclose FILE *f = fopen("/proc/self/mountinfo", "re");
    static char text[1 << 20];
    size_t n;

    if (!f)
        return -errno;
    n = fread(text, 1, sizeof(text) - 1, f);
    text[n] = '\0';
    return msp_cgroup_mount(text, ret_mount);
}

static int remove_dir(const char *path, const struct stat *st, int type,
                      struct FTW *at)
{
    (void)st;
    (void)at;
    if (type == FTW_DP)
        (void)rmdir(path);
    return 0;
}

/* With what a failed test left in it; killed processes take their time. */
static void remove_tree(const char *path)
{
    for (int i = 0; i < 2000 && access(path, F_OK) == 0; i++) {
        (void)nftw(path, remove_dir, 16, FTW_DEPTH | FTW_PHYS);
        if (access(path, F_OK) == 0)
            (void)usleep(1000);
    }
    if (access(path, F_OK) == 0)
        print_error("%s is still there\n", path);
}

int trace_fixture_teardown(void **state)
{
    struct trace_fixture *fx = *state;
    void *slot;

    if (!fx)
        return 0;
    for (int i = 0; i < MSP_PROG_CGROUP_LINKS; i++)
        if (fx->link_fd[i] >= 0)
            (void)close(fx->link_fd[i]);
    if (fx->cgroup[0])
        remove_tree(fx->cgroup);
    slot = fx->slot;
    if (shared)
        forget_records(shared);
    else
        (void)slot_fixture_teardown(&slot);
    free(fx);
    *state = NULL;
    return 0;
}

static int prepare(struct trace_fixture *fx)
{
    void *slot = shared;

    if (!shared && slot_fixture_setup(&slot) < 0)
        return -1;
    fx->slot = slot;
    if (find_mount(fx->mount) < 0)
        return -1;
    (void)snprintf(fx->cgroup, sizeof(fx->cgroup), "%s/msp-trace-%d", fx->mount,
                   getpid());
    if (mkdir(fx->cgroup, 0755) < 0) {
        print_error("%s: %s\n", fx->cgroup, strerror(errno));
        fx->cgroup[0] = '\0';
        return -1;
    }
    return 0;
}

int trace_fixture_setup(void **state)
{
    struct trace_fixture *fx = calloc(1, sizeof(*fx));

    if (!fx)
        return -1;
    *state = fx;
    for (int i = 0; i < MSP_PROG_CGROUP_LINKS; i++)
        fx->link_fd[i] = -1;
    if (prepare(fx) == 0)
        return 0;
    (void)trace_fixture_teardown(state);
    return -1;
}

struct slot_fixture *trace_fixture_slot(struct trace_fixture *fx)
{
    return fx->slot;
}

const char *trace_fixture_cgroup(const struct trace_fixture *fx)
{
    return fx->cgroup;
}

const char *trace_fixture_name(const struct trace_fixture *fx)
{
    return strrchr(fx->cgroup, '/') + 1;
}

uint64_t trace_mkdir(const struct trace_fixture *fx, const char *below)
{
    char path[2 * PATH_MAX];
    struct stat st;

    (void)snprintf(path, sizeof(path), "%s%s", fx->cgroup, below);
    assert_ok(mkdir(path, 0755));
    assert_ok(stat(path, &st));
    return st.st_ino;
}

void trace_rmdir(const struct trace_fixture *fx, const char *below)
{
    char path[2 * PATH_MAX];
    int r = -1;

    (void)snprintf(path, sizeof(path), "%s%s", fx->cgroup, below);
    for (int i = 0; i < 1000 && (r = rmdir(path)) < 0 && errno == EBUSY; i++)
        (void)usleep(1000);
    assert_ok(r);
}

void trace_fixture_attach(struct trace_fixture *fx)
{
    struct msp_loader *loader = slot_fixture_loader(fx->slot);
    struct stat st;

    assert_ok(stat(fx->cgroup, &st));
    loader->meta->scope_level = 1;
    loader->meta->scope_cgroup = st.st_ino;
    for (int i = 0; i < MSP_PROG_CGROUP_LINKS; i++) {
        fx->link_fd[i] =
            bpf_raw_tracepoint_open(NULL, msp_loader_prog_fd(loader, i));
        assert_true(fx->link_fd[i] >= 0);
    }
}

void trace_move(const char *dir, pid_t pid)
{
    char path[PATH_MAX + 96];
    msp_autofclose FILE *f = NULL;

    (void)snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
    f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fprintf(f, "%d\n", pid) > 0);
    assert_ok(fflush(f));
}

int trace_record(struct trace_fixture *fx, pid_t tgid, struct msp_exec *ret)
{
    uint32_t key = (uint32_t)tgid;
    int fd = msp_loader_map_fd(slot_fixture_loader(fx->slot), "msp_exec");

    return bpf_map_lookup_elem(fd, &key, ret) < 0 ? -1 : 0;
}

int trace_table(struct trace_fixture *fx, const char *outer,
                const char *template, uint32_t slot, uint32_t entries)
{
    const struct msp_loader *loader = slot_fixture_loader(fx->slot);
    const struct bpf_object *obj = loader->skel->obj;
    const struct bpf_map *map = bpf_object__find_map_by_name(obj, template);
    LIBBPF_OPTS(bpf_map_create_opts, opts,
                .btf_fd = (__u32)bpf_object__btf_fd(obj));
    int fd;

    assert_non_null(map);
    opts.map_flags = bpf_map__map_flags(map);
    opts.btf_key_type_id = bpf_map__btf_key_type_id(map);
    opts.btf_value_type_id = bpf_map__btf_value_type_id(map);
    fd = bpf_map_create(bpf_map__type(map), outer, bpf_map__key_size(map),
                        bpf_map__value_size(map), entries, &opts);
    assert_true(fd >= 0);
    assert_ok(bpf_map_update_elem(msp_loader_map_fd(loader, outer), &slot, &fd,
                                  BPF_ANY));
    return fd;
}

int trace_shake(void)
{
    struct itimerspec often = {.it_interval.tv_nsec = 8000,
                               .it_value.tv_nsec = 8000};
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    cpu_set_t cpus;

    CPU_ZERO(&cpus);
    CPU_SET(0, &cpus);
    (void)sched_setaffinity(0, sizeof(cpus), &cpus);
    if (fd < 0 || timerfd_settime(fd, 0, &often, NULL) < 0)
        return -1;
    return fd;
}

void trace_ask(unsigned int times)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(80)};

    to.sin_addr.s_addr = inet_addr("169.254.169.254");
    for (unsigned int i = 0; i < times; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        (void)connect(fd, (struct sockaddr *)&to, sizeof(to));
        (void)close(fd);
    }
}
