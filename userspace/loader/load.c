/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "loader/load.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <msp/cleanup.h>

#include "base/io.h"
#include "loader/object.h"
#include "msp.skel.h"
#include "msp_61.skel.h"

enum {
    META_BYTES = 4096
};

_Static_assert(sizeof(struct msp_meta) <= META_BYTES, "meta");

#define LINK_NAMES                                                            \
    [MSP_PROG_EXEC] = "msp_on_exec", [MSP_PROG_FORK] = "msp_on_fork",         \
    [MSP_PROG_EXIT] = "msp_on_exit", [MSP_PROG_MKDIR] = "msp_on_mkdir",       \
    [MSP_PROG_RMDIR] = "msp_on_rmdir", [MSP_PROG_SOCKOPS] = "msp_sockops",    \
    [MSP_PROG_BIND4] = "msp_bind4", [MSP_PROG_BIND6] = "msp_bind6",           \
    [MSP_PROG_PEERNAME4] = "msp_peername4",                                   \
    [MSP_PROG_PEERNAME6] = "msp_peername6", [MSP_PROG_EGRESS] = "msp_egress", \
    [MSP_PROG_SENDMSG4] = "msp_sendmsg4",                                     \
    [MSP_PROG_SENDMSG6] = "msp_sendmsg6",                                     \
    [MSP_PROG_CONNECT6] = "msp_connect6", [MSP_PROG_CONNECT4] = "msp_connect4"

const char *const msp_prog_names[MSP_PROG_COUNT + 1] = {
    LINK_NAMES,
    [MSP_PROG_AUTHORIZE] = "msp_authorize",
    [MSP_PROG_UPLINK] = "msp_uplink",
    [MSP_PROG_UPLINK_L3] = "msp_uplink_l3",
    [MSP_PROG_FD_GUARD] = "msp_fd_guard",
};

const char *const msp_link_names[MSP_PROG_LINKS + 1] = {LINK_NAMES};

int msp_loader_fail(struct msp_loader *loader, int r, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(loader->why, sizeof(loader->why), format, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof(loader->why))
        (void)snprintf(loader->why + n, sizeof(loader->why) - (size_t)n, ": %s",
                       strerror(-r));
    return r;
}

/* Templates give BTF to inner maps and are needed by this process only. */
static bool is_pinned_map(const struct bpf_map *map)
{
    const char *name = bpf_map__name(map);

    return !bpf_map__is_internal(map) && strncmp(name, "msp_t_", 6) != 0;
}

/* A number in a file of /proc/sys/kernel. @return 0: it cannot be read */
static uint32_t read_sysctl(const char *path)
{
    msp_autofclose FILE *f = fopen(path, "re");
    char text[32], *end;
    unsigned long value;

    if (!f || !fgets(text, sizeof(text), f))
        return 0;
    errno = 0;
    value = strtoul(text, &end, 10);
    return errno || end == text || value > UINT32_MAX ? 0 : (uint32_t)value;
}

/*
 * Room for as many processes as this host can have, so that no crowd of them
 * can push others out. A pinned map keeps the size it was made with.
 */
static uint32_t exec_entries(const struct msp_loader *loader)
{
    uint32_t pids = read_sysctl("/proc/sys/kernel/pid_max");
    uint32_t threads = read_sysctl("/proc/sys/kernel/threads-max");
    uint32_t n = pids < threads ? pids : threads;
    struct bpf_map_info info = {0};
    __u32 len = sizeof(info);
    char path[MSP_PIN_PATH_BYTES];
    msp_autoclose int fd = -1;

    if (loader->is_reused) {
        msp_pins_path(&loader->pins, "maps", "msp_exec", false, path);
        fd = bpf_obj_get(path);
        if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &len) == 0)
            return info.max_entries;
    }
    return n < MSP_EXEC_MIN   ? MSP_EXEC_MIN
           : n > MSP_EXEC_MAX ? MSP_EXEC_MAX
                              : n;
}

/* What a pinned map would have to be; libbpf's own message is a warning. */
static int check_map(struct msp_loader *loader, const struct bpf_map *map,
                     const char *path)
{
    msp_autoclose int fd =
        msp_object_open(loader, path, MSP_OBJECT_MAP, bpf_map__name(map));
    struct bpf_map_info info = {0};
    __u32 len = sizeof(info);

    if (fd < 0)
        return fd;
    if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
        return msp_loader_fail(loader, -errno, "pin %s", path);
    if (info.type != bpf_map__type(map) ||
        info.key_size != bpf_map__key_size(map) ||
        info.value_size != bpf_map__value_size(map) ||
        info.max_entries != bpf_map__max_entries(map) ||
        info.map_flags != bpf_map__map_flags(map))
        return msp_loader_fail(loader, -EUCLEAN,
                               "pinned map %s has another shape than this "
                               "mspd's; nothing was changed",
                               path);
    return 0;
}

static int choose_pins(struct msp_loader *loader)
{
    char path[MSP_PIN_PATH_BYTES];
    struct bpf_map *map;
    int r;

    bpf_object__for_each_map(map, loader->skel->obj) {
        if (!is_pinned_map(map))
            continue;
        msp_pins_path(&loader->pins, "maps", bpf_map__name(map), false, path);
        if (loader->is_reused) {
            r = check_map(loader, map, path);
            if (r < 0)
                return r;
        }
        r = bpf_map__set_pin_path(map, path);
        if (r < 0)
            return msp_loader_fail(loader, r, "pin path %s", path);
    }
    return 0;
}

/* Which tree is there; a half-made one that denies is not ours to repair. */
static int judge_pins(struct msp_loader *loader)
{
    const char *maps[64] = {NULL};
    char missing[MSP_PIN_PATH_BYTES] = "";
    struct bpf_map *map;
    size_t n = 0;
    int r;

    bpf_object__for_each_map(map, loader->skel->obj) {
        if (is_pinned_map(map) && n + 1 < ARRAY_SIZE(maps))
            maps[n++] = bpf_map__name(map);
    }
    switch (msp_pins_state(&loader->pins, msp_link_names, msp_prog_names, maps,
                           missing)) {
    case MSP_PINS_LIVE:
        loader->is_reused = true;
        return 0;
    case MSP_PINS_BROKEN:
        return msp_loader_fail(loader, -EUCLEAN,
                               "%s is enforced but %s is missing; to start "
                               "anew: mspctl detach --yes --pin-dir %s",
                               loader->pins.root, missing, loader->pins.dir);
    case MSP_PINS_LEFTOVER:
        loader->is_leftover = true;
        r = msp_pins_clear(&loader->pins);
        if (r < 0)
            return msp_loader_fail(loader, r, "clearing %s", loader->pins.root);
        return 0;
    case MSP_PINS_EMPTY:
        return 0;
    }
    return -EINVAL;
}

static int map_meta(struct msp_loader *loader)
{
    int fd = bpf_map__fd(loader->skel->maps.msp_meta);
    void *page;

    page = mmap(NULL, META_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED)
        return msp_loader_fail(loader, -errno, "mapping msp_meta");
    loader->meta = page;
    loader->old_epoch =
        __atomic_load_n(&loader->meta->agent_epoch, __ATOMIC_ACQUIRE);
    return 0;
}

static uint64_t clock_ns(clockid_t id)
{
    struct timespec now;

    (void)clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void set_clock(struct msp_loader *loader)
{
    /* fail closed: what passes between the two makes files younger */
    uint64_t real_ns = clock_ns(CLOCK_REALTIME);
    uint64_t offset_ns = real_ns - clock_ns(CLOCK_BOOTTIME);

    __atomic_store_n(&loader->meta->real_offset_ns, offset_ns,
                     __ATOMIC_RELEASE);
}

/* How soon a parked SYN is sent again, in ticks, whose length this clock has. */
static void set_park_ticks(struct msp_loader *loader)
{
    struct timespec tick = {0};
    uint32_t ticks = 0;

    if (clock_getres(CLOCK_REALTIME_COARSE, &tick) == 0 && tick.tv_nsec > 0)
        ticks = MSP_PARK_SYN_MS * 1000000u / (uint32_t)tick.tv_nsec;
    __atomic_store_n(&loader->meta->park_ticks, ticks ? ticks : 1,
                     __ATOMIC_RELEASE);
}

/* What is the agent's own network namespace, whose users pay by their uids. */
static void set_netns(struct msp_loader *loader)
{
    uint64_t cookie = 0;

    /* fail closed: not known, everybody pays by his cgroup, also root */
    if (msp_io_netns_cookie(&cookie) < 0)
        cookie = 0;
    __atomic_store_n(&loader->meta->netns_cookie, cookie, __ATOMIC_RELEASE);
}

static int find_root(struct msp_loader *loader)
{
    struct msp_find_root_ctx ctx = {0};
    LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &ctx,
                .ctx_size_in = sizeof(ctx));
    int fd = bpf_program__fd(loader->skel->progs.msp_find_root);
    int r;

    r = bpf_prog_test_run_opts(fd, &opts);
    if (r < 0)
        return msp_loader_fail(loader, r, "running msp_find_root");
    if (!(ctx.flags & MSP_ROOT_FOUND))
        /* fail closed: nobody could be told from a container */
        return msp_loader_fail(loader, -ENOENT,
                               "the root directory of pid 1 was not found");
    if (ctx.flags & MSP_ROOT_IN_CONTAINER)
        /* fail closed: its own processes would be container processes */
        return msp_loader_fail(loader, -EPERM,
                               "mspd runs in a container (its root directory "
                               "or pid namespace is not pid 1's); start it on "
                               "the host");
    __atomic_store_n(&loader->meta->root_dev, ctx.dev, __ATOMIC_RELEASE);
    __atomic_store_n(&loader->meta->root_ino, ctx.ino, __ATOMIC_RELEASE);
    return 0;
}

/* Whether the kernel has a function that programs may call (6.2). */
static bool has_cast(void)
{
    struct btf *btf = btf__load_vmlinux_btf();
    bool is_there = btf && btf__find_by_name_kind(btf, "bpf_cast_to_kern_ctx",
                                                  BTF_KIND_FUNC) > 0;

    btf__free(btf);
    return is_there;
}

/* Both objects have the same members. */
struct msp_bpf *msp_loader_open_object(void)
{
    struct msp_bpf *skel = calloc(1, sizeof(*skel));
    int r;

    if (!skel)
        return NULL;
    r = msp_bpf__create_skeleton(skel);
    if (r == 0 && !has_cast())
        skel->skeleton->data =
            (void *)(uintptr_t)msp_61_bpf__elf_bytes(&skel->skeleton->data_sz);
    if (r == 0)
        r = bpf_object__open_skeleton(skel->skeleton, NULL);
    if (r == 0)
        return skel;
    msp_bpf__destroy(skel);
    errno = -r;
    return NULL;
}

int msp_loader_open(struct msp_loader *loader, const char *pin_dir,
                    uint32_t proxy_uid, uint32_t keeper_uid)
{
    int r;

    *loader = (struct msp_loader){.link_fd = MSP_NO_LINKS};
    r = msp_pins_open(&loader->pins, pin_dir);
    if (r < 0)
        return msp_loader_fail(loader, r, "pin directory %s%s", pin_dir,
                               r == -EINVAL || r == -ENOENT || r == -EPERM
                                   ? " (not on a bpf file system?)"
                                   : "");
    loader->skel = msp_loader_open_object();
    if (!loader->skel)
        return msp_loader_fail(loader, -errno, "opening the BPF object");
    r = judge_pins(loader);
    if (r < 0)
        return r;
    r = bpf_map__set_max_entries(loader->skel->maps.msp_exec,
                                 exec_entries(loader));
    if (r < 0)
        return msp_loader_fail(loader, r, "sizing msp_exec");
    r = choose_pins(loader);
    if (r < 0)
        return r;
    r = msp_bpf__load(loader->skel);
    if (r < 0)
        return msp_loader_fail(loader, r, "loading the BPF object");
    r = map_meta(loader);
    if (r < 0)
        return r;
    __atomic_store_n(&loader->meta->proxy_uid, proxy_uid, __ATOMIC_RELEASE);
    __atomic_store_n(&loader->meta->keeper_uid, keeper_uid, __ATOMIC_RELEASE);
    set_clock(loader);
    set_park_ticks(loader);
    set_netns(loader);
    return find_root(loader);
}

void msp_loader_done(struct msp_loader *loader)
{
    for (int i = 0; i < MSP_PROG_LINKS; i++)
        if (loader->link_fd[i] >= 0)
            (void)close(loader->link_fd[i]);
    ring_buffer__free(loader->ring);
    ring_buffer__free(loader->park_ring);
    if (loader->tickets)
        (void)munmap(loader->tickets, MSP_TICKETS_BYTES);
    if (loader->meta)
        (void)munmap(loader->meta, META_BYTES);
    msp_bpf__destroy(loader->skel);
    *loader = (struct msp_loader){.link_fd = MSP_NO_LINKS};
}

int msp_loader_map_fd(const struct msp_loader *loader, const char *name)
{
    const struct bpf_map *map =
        bpf_object__find_map_by_name(loader->skel->obj, name);

    return map ? bpf_map__fd(map) : -1;
}

int msp_loader_map_rdonly(const struct msp_loader *loader, const char *name)
{
    LIBBPF_OPTS(bpf_obj_get_opts, opts, .file_flags = BPF_F_RDONLY);
    char path[MSP_PIN_PATH_BYTES];
    int fd;

    msp_pins_path(&loader->pins, "maps", name, false, path);
    fd = bpf_obj_get_opts(path, &opts);
    return fd < 0 ? -errno : fd;
}

int msp_loader_prog_fd(const struct msp_loader *loader, enum msp_prog prog)
{
    const struct bpf_program *found = bpf_object__find_program_by_name(
        loader->skel->obj, msp_prog_names[prog]);

    return found ? bpf_program__fd(found) : -1;
}

void msp_loader_set_epoch(struct msp_loader *loader, uint64_t epoch)
{
    __atomic_store_n(&loader->meta->agent_epoch, epoch, __ATOMIC_RELEASE);
}

void msp_loader_beat(struct msp_loader *loader, uint64_t now_ns)
{
    set_clock(loader);
    __atomic_store_n(&loader->meta->heartbeat_ns, now_ns, __ATOMIC_RELEASE);
}
