/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "bpf/trace.h"

#include <fcntl.h>
#include <ftw.h>
#include <mntent.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "harness/test.h"
#include "msp.skel.h"

enum {
    META_BYTES = 4096
};

/* --- cgroups ------------------------------------------------------------ */

static int find_mount(struct trace *t)
{
    FILE *mounts = setmntent("/proc/self/mounts", "re");
    const struct mntent *entry;

    if (!mounts)
        return -1;
    while (!t->root[0] && (entry = getmntent(mounts))) {
        if (msp_streq(entry->mnt_type, "cgroup2"))
            (void)snprintf(t->root, sizeof(t->root), "%s", entry->mnt_dir);
    }
    (void)endmntent(mounts);
    return t->root[0] ? 0 : -1;
}

static int find_own(struct trace *t)
{
    msp_autofclose FILE *f = fopen("/proc/self/cgroup", "re");
    char line[512];

    while (f && fgets(line, sizeof(line), f))
        if (sscanf(line, "0::%255[^\n]", t->before) == 1)
            return 0;
    return -1;
}

void trace_path(const struct trace *t, const char *below, char *ret)
{
    (void)snprintf(ret, TRACE_PATH_BYTES, "%s%s%s", t->root, t->name, below);
}

uint64_t trace_mkdir(const struct trace *t, const char *below)
{
    char path[TRACE_PATH_BYTES];
    struct stat st;

    trace_path(t, below, path);
    assert_ok(mkdir(path, 0755));
    assert_ok(stat(path, &st));
    return st.st_ino;
}

void trace_rmdir(const struct trace *t, const char *below)
{
    char path[TRACE_PATH_BYTES];
    int r = -1;

    trace_path(t, below, path);
    /* the last process may be on its way out */
    for (int i = 0; i < 1000 && (r = rmdir(path)) < 0 && errno == EBUSY; i++)
        (void)usleep(1000);
    assert_ok(r);
}

void trace_move(const struct trace *t, pid_t pid, const char *path)
{
    char file[TRACE_PATH_BYTES], text[16];
    msp_autoclose int fd = -1;
    int n = snprintf(text, sizeof(text), "%d", pid);

    (void)snprintf(file, sizeof(file), "%s%s/cgroup.procs", t->root, path);
    fd = open(file, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, (size_t)n), n);
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

/* --- object ------------------------------------------------------------- */

static int load(struct trace *t, uint32_t entries)
{
    struct msp_bpf *skel = msp_bpf__open();
    struct msp_find_root_ctx ctx = {0};
    LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &ctx,
                .ctx_size_in = sizeof(ctx));
    void *page;

    t->loader.skel = skel;
    if (!skel || bpf_map__set_max_entries(skel->maps.msp_exec, entries) < 0 ||
        msp_bpf__load(skel) < 0)
        return -1;
    page = mmap(NULL, META_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
                bpf_map__fd(skel->maps.msp_meta), 0);
    if (page == MAP_FAILED)
        return -1;
    t->loader.meta = page;
    if (bpf_prog_test_run_opts(bpf_program__fd(skel->progs.msp_find_root),
                               &opts) < 0 ||
        ctx.flags != MSP_ROOT_FOUND)
        return -1;
    t->loader.meta->root_ino = ctx.ino;
    t->loader.meta->root_dev = ctx.dev;
    return 0;
}

/* The test's own cgroup, at whatever depth, becomes the scope. */
static int set_scope(struct trace *t)
{
    struct msp_find_scope_ctx ctx = {.cgroup = t->id};
    LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &ctx,
                .ctx_size_in = sizeof(ctx));
    int fd = bpf_program__fd(t->loader.skel->progs.msp_find_scope);

    if (bpf_prog_test_run_opts(fd, &opts) < 0 || ctx.level == MSP_SCOPE_NONE ||
        ctx.level == 0)
        return -1;
    t->loader.meta->scope_level = ctx.level;
    t->loader.meta->scope_cgroup = t->id;
    return 0;
}

int trace_setup(struct trace *t, uint32_t entries)
{
    static int made;

    *t = (struct trace){.loader = {.link_fd = MSP_NO_LINKS}};
    for (int i = 0; i < MSP_PROG_CGROUP_LINKS; i++)
        t->link_fd[i] = -1;
    if (find_mount(t) < 0 || find_own(t) < 0) {
        print_error("trace: no cgroup v2\n");
        return -1;
    }
    (void)snprintf(t->name, sizeof(t->name), "/msp-trace-%d-%d", getpid(),
                   made++);
    t->id = trace_mkdir(t, "");
    trace_move(t, 0, t->name);
    if (load(t, entries) < 0 || set_scope(t) < 0) {
        print_error("trace: cannot load\n");
        trace_teardown(t);
        return -1;
    }
    return 0;
}

void trace_teardown(struct trace *t)
{
    char path[TRACE_PATH_BYTES];

    for (int i = 0; i < MSP_PROG_CGROUP_LINKS; i++)
        if (t->link_fd[i] >= 0)
            (void)close(t->link_fd[i]);
    if (t->loader.meta)
        (void)munmap(t->loader.meta, META_BYTES);
    msp_bpf__destroy(t->loader.skel);
    if (t->id) {
        trace_move(t, 0, t->before);
        trace_path(t, "", path);
        for (int i = 0; i < 1000 && access(path, F_OK) == 0; i++) {
            (void)nftw(path, remove_dir, 16, FTW_DEPTH | FTW_PHYS);
            (void)usleep(1000);
        }
    }
    *t = (struct trace){.loader = {.link_fd = MSP_NO_LINKS}};
}

void trace_attach(struct trace *t)
{
    for (int i = 0; i < MSP_PROG_CGROUP_LINKS; i++) {
        t->link_fd[i] = bpf_raw_tracepoint_open(
            NULL, msp_loader_prog_fd(&t->loader, (enum msp_prog)i));
        assert_true(t->link_fd[i] >= 0);
    }
}

/* --- maps --------------------------------------------------------------- */

bool trace_record(const struct trace *t, pid_t pid, struct msp_exec *ret)
{
    int fd = bpf_map__fd(t->loader.skel->maps.msp_exec);

    return bpf_map_lookup_elem(fd, &pid, ret) == 0;
}

uint64_t trace_stat(const struct trace *t, enum msp_stat stat)
{
    int fd = bpf_map__fd(t->loader.skel->maps.msp_stats);
    uint64_t value = 0;

    assert_ok(bpf_map_lookup_elem(fd, &stat, &value));
    return value;
}

int trace_table(const struct trace *t, const char *outer, const char *template,
                uint32_t slot, uint32_t entries)
{
    const struct bpf_object *obj = t->loader.skel->obj;
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
    assert_ok(bpf_map_update_elem(msp_loader_map_fd(&t->loader, outer), &slot,
                                  &fd, BPF_ANY));
    return fd;
}
