/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "loader/guard.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <time.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <msp/cleanup.h>

#include "loader/iter.h"
#include "loader/object.h"
#include "msp_guard.skel.h"

static const uint64_t second_ns = 1000000000;
static const char sysctl_link[] = "msp_g_sysctl";
static const char roles_name[] = "msp_g_roles";

static void close_dir(DIR **dir)
{
    if (*dir)
        (void)closedir(*dir);
}

static void close_skel(struct msp_guard_bpf **skel)
{
    msp_guard_bpf__destroy(*skel);
}

static uint64_t boot_ns(void)
{
    struct timespec t = {0};

    (void)clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * second_ns + (uint64_t)t.tv_nsec;
}

/* --- state -------------------------------------------------------------- */

enum msp_guard_is msp_guard_is_now(const struct msp_guard_state *state)
{
    if (!(state->flags & MSP_GUARD_ON))
        return MSP_GUARD_IS_NONE;
    return boot_ns() < state->unlocked_until_ns ? MSP_GUARD_IS_UNLOCKED
                                                : MSP_GUARD_IS_LOCKED;
}

uint64_t msp_guard_now_s(const struct msp_guard_state *state)
{
    uint64_t since = state->since_s + (boot_ns() - state->since_ns) / second_ns;
    time_t wall = time(NULL);

    /* a clock that was set back does not make old tokens good again */
    return wall > 0 && (uint64_t)wall > since ? (uint64_t)wall : since;
}

int msp_guard_find(const char *pin_dir, struct msp_guard_state *ret_state)
{
    LIBBPF_OPTS(bpf_obj_get_opts, opts, .file_flags = BPF_F_RDONLY);
    char path[MSP_PIN_PATH_BYTES];
    msp_autoclose int fd = -1;
    uint32_t zero = 0;

    *ret_state = (struct msp_guard_state){0};
    msp_pins_folder_path(pin_dir, "maps/msp_guard", path);
    fd = bpf_obj_get_opts(path, &opts);
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    return bpf_map_lookup_elem(fd, &zero, ret_state) < 0 ? -errno : 0;
}

int msp_guard_try_role(const char *pin_dir)
{
    char path[MSP_PIN_PATH_BYTES];
    msp_autoclose int fd = -1;

    msp_pins_folder_path(pin_dir, "maps/msp_guard", path);
    fd = bpf_obj_get(path);
    return fd < 0 ? -errno : 0;
}

/* --- other guards -------------------------------------------------------- */

/* A map of ours alone, that a walk over all maps must come by. */
struct walk {
    uint32_t own;   /* id of msp_guard below the pin directory; 0: none */
    uint32_t known; /* id of a map that is there for certain */
    bool has_known; /* the walk came by it */
};

static uint32_t id_of(int fd)
{
    struct bpf_map_info info = {0};
    __u32 len = sizeof(info);

    return fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &len) == 0 ? info.id
                                                                   : 0;
}

/* @return 1: this one is a guard that is locked, and another; 0; -errno */
static int look_at(struct walk *walk, uint32_t id)
{
    LIBBPF_OPTS(bpf_get_fd_by_id_opts, opts, .open_flags = BPF_F_RDONLY);
    msp_autoclose int fd = bpf_map_get_fd_by_id_opts(id, &opts);
    struct bpf_map_info info = {0};
    struct msp_guard_state state;
    __u32 len = sizeof(info);
    uint32_t zero = 0;

    if (fd < 0)
        return errno == ENOENT ? 0 : -errno; /* gone, or no guard's state */
    if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
        return -errno;
    walk->has_known |= id == walk->known;
    if (id == walk->own || !msp_streq(info.name, "msp_guard"))
        return 0;
    if (info.value_size != sizeof(state) || info.key_size != sizeof(zero))
        return 1; /* fail closed: whether it is locked is not known */
    if (bpf_map_lookup_elem(fd, &zero, &state) < 0)
        return -errno;
    return msp_guard_is_now(&state) == MSP_GUARD_IS_LOCKED;
}

int msp_guard_is_elsewhere(const char *pin_dir)
{
    LIBBPF_OPTS(bpf_obj_get_opts, opts, .file_flags = BPF_F_RDONLY);
    char path[MSP_PIN_PATH_BYTES];
    msp_autoclose int own_fd = -1;
    msp_autoclose int known_fd =
        bpf_map_create(BPF_MAP_TYPE_ARRAY, "mspd_walk", 4, 4, 1, NULL);
    struct walk walk = {.known = id_of(known_fd)};
    uint32_t id = 0;
    int r = 0;

    if (!walk.known)
        return -EPERM;
    msp_pins_folder_path(pin_dir, "maps/msp_guard", path);
    own_fd = bpf_obj_get_opts(path, &opts);
    walk.own = id_of(own_fd);
    while (r == 0 && bpf_map_get_next_id(id, &id) == 0)
        r = look_at(&walk, id);
    if (r)
        return r;
    /* fail closed: a filter of system calls lies about what there is */
    return walk.has_known ? 0 : -EBADMSG;
}

/* @return descriptor of a pinned map of the guard, to write; -errno, `why` */
static int open_map(struct msp_loader *loader, const char *name)
{
    char path[MSP_PIN_PATH_BYTES];
    int fd;

    msp_pins_path(&loader->pins, "maps", name, false, path);
    fd = bpf_obj_get(path);
    return fd < 0 ? msp_loader_fail(loader, -errno, "opening %s", path) : fd;
}

int msp_guard_read(struct msp_loader *loader, struct msp_guard_state *ret_state)
{
    return msp_guard_find(loader->pins.dir, ret_state);
}

static int write_state(struct msp_loader *loader,
                       const struct msp_guard_state *state)
{
    msp_autoclose int fd = open_map(loader, "msp_guard");
    uint32_t zero = 0;

    if (fd < 0)
        return fd;
    if (bpf_map_update_elem(fd, &zero, state, BPF_ANY) < 0)
        return msp_loader_fail(loader, -errno, "writing msp_guard");
    return 0;
}

int msp_guard_unlock(struct msp_loader *loader, uint64_t seconds)
{
    struct msp_guard_state state;
    int r = msp_guard_read(loader, &state);

    if (r < 0)
        return msp_loader_fail(loader, r, "reading msp_guard");
    state.unlocked_until_ns = seconds ? boot_ns() + seconds * second_ns : 0;
    return write_state(loader, &state);
}

uint64_t msp_guard_left_s(const struct msp_guard_state *state)
{
    uint64_t now = boot_ns();

    if (!(state->flags & MSP_GUARD_ON) || state->unlocked_until_ns <= now)
        return 0;
    return (state->unlocked_until_ns - now + second_ns - 1) / second_ns;
}

int msp_guard_drop(struct msp_loader *loader)
{
    struct msp_guard_state none = {0};
    char path[MSP_PIN_PATH_BYTES];

    msp_pins_path(&loader->pins, "links", sysctl_link, false, path);
    (void)unlink(path);
    return write_state(loader, &none);
}

int msp_guard_stats(struct msp_loader *loader, struct msp_guard_stat *ret)
{
    msp_autoclose int fd = msp_loader_map_rdonly(loader, "msp_guard_stat");

    if (fd < 0)
        return fd;
    for (uint32_t i = 0; i < MSP_GUARD_KIND_COUNT; i++)
        if (bpf_map_lookup_elem(fd, &i, &ret[i]) < 0)
            return -errno;
    return 0;
}

/* --- programs that mspd runs --------------------------------------------- */

/* Loads those that are not of the LSM, over the pinned maps. */
static int open_skel(struct msp_loader *loader, struct msp_guard_bpf **ret_skel)
{
    msp_cleanup(close_skel) struct msp_guard_bpf *skel = msp_guard_bpf__open();
    char path[MSP_PIN_PATH_BYTES];
    struct bpf_program *prog;
    struct bpf_map *map;
    int r;

    if (!skel)
        return msp_loader_fail(loader, -errno, "opening the guard's object");
    bpf_object__for_each_program(prog, skel->obj)
        (void)bpf_program__set_autoload(prog, false);
    (void)bpf_program__set_autoload(skel->progs.msp_g_files, true);
    (void)bpf_program__set_autoload(skel->progs.msp_g_tasks, true);
    (void)bpf_program__set_autoload(skel->progs.msp_g_roles, true);
    (void)bpf_program__set_autoload(skel->progs.msp_g_shapes, true);
    (void)bpf_program__set_autoload(skel->progs.msp_g_place, true);
    (void)bpf_program__set_autoload(skel->progs.msp_g_sysctl, true);
    bpf_object__for_each_map(map, skel->obj) {
        if (bpf_map__is_internal(map))
            continue;
        msp_pins_path(&loader->pins, "maps", bpf_map__name(map), false, path);
        r = bpf_map__set_pin_path(map, path);
        if (r < 0)
            return msp_loader_fail(loader, r, "pin path %s", path);
    }
    r = msp_guard_bpf__load(skel);
    if (r < 0)
        return msp_loader_fail(loader, r, "loading the guard's object");
    *ret_skel = TAKE_PTR(skel);
    return 0;
}

/* @return bytes, 0 at the end; negative errno */
static ssize_t read_iter(int fd, void *ret, size_t size)
{
    ssize_t n;

    do
        n = read(fd, ret, size);
    while (n < 0 && (errno == EINTR || errno == EAGAIN));
    return n < 0 ? -errno : n;
}

/* @param pid whose descriptors; 0: all tasks */
static int run_iter(struct msp_loader *loader, const struct bpf_program *prog,
                    pid_t pid)
{
    union bpf_iter_link_info info = {.task = {.pid = (__u32)pid}};
    msp_autoclose int fd =
        msp_iter_start(loader, bpf_program__fd(prog), bpf_program__name(prog),
                       pid ? &info : NULL);
    char nothing[16];
    ssize_t n;

    if (fd < 0)
        return fd;
    do
        n = read_iter(fd, nothing, sizeof(nothing));
    while (n > 0);
    return n < 0 ? msp_loader_fail(loader, (int)n, "running %s",
                                   bpf_program__name(prog))
                 : 0;
}

int msp_guard_role_of(struct msp_loader *loader, int roles_fd, pid_t pid,
                      uint32_t *ret_flags)
{
    union bpf_iter_link_info info = {.task = {.tid = (__u32)pid}};
    msp_autoclose int fd = msp_iter_start(loader, roles_fd, roles_name, &info);
    struct msp_guard_role role;
    ssize_t n;

    if (fd < 0)
        return fd;
    n = read_iter(fd, &role, sizeof(role));
    if (n < 0)
        return msp_loader_fail(loader, (int)n, "running %s", roles_name);
    if (n != sizeof(role) || role.tgid != (__u32)pid)
        return -ESRCH;
    *ret_flags = role.flags;
    return 0;
}

/* The program outlives the object it was loaded with. */
static int take_roles(struct msp_loader *loader,
                      const struct msp_guard_bpf *skel, int *ret_roles_fd)
{
    int fd =
        fcntl(bpf_program__fd(skel->progs.msp_g_roles), F_DUPFD_CLOEXEC, 0);

    if (fd < 0)
        return msp_loader_fail(loader, -errno, "keeping %s", roles_name);
    *ret_roles_fd = fd;
    return 0;
}

static int run_place(struct msp_loader *loader,
                     const struct msp_guard_bpf *skel)
{
    struct msp_guard_place_ctx ctx = {0};
    LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &ctx,
                .ctx_size_in = sizeof(ctx));
    int r =
        bpf_prog_test_run_opts(bpf_program__fd(skel->progs.msp_g_place), &opts);

    if (r < 0)
        return msp_loader_fail(loader, r, "running msp_g_place");
    if (!ctx.is_found)
        /* fail closed: nobody could be told from a container */
        return msp_loader_fail(loader, -ENOENT, "the guard did not find pid 1");
    return 0;
}

/* --- links --------------------------------------------------------------- */

/* Ids of the links that are pinned now. */
struct links {
    uint32_t id[MSP_GUARD_LINKS_MAX];
    size_t n;
};

static int add_link(struct msp_loader *loader, struct links *links,
                    const char *path)
{
    msp_autoclose int fd = msp_object_open(loader, path, MSP_OBJECT_LINK, NULL);
    struct bpf_link_info info = {0};
    __u32 len = sizeof(info);

    if (fd == -ENOENT || fd == -EUCLEAN)
        return 0; /* it went meanwhile; the program of a filter */
    if (fd < 0)
        return fd;
    if (links->n == MSP_GUARD_LINKS_MAX)
        return msp_loader_fail(loader, -E2BIG, "too many links to guard");
    if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
        return msp_loader_fail(loader, -errno, "reading %s", path);
    links->id[links->n++] = info.id;
    return 0;
}

static int add_folder(struct msp_loader *loader, struct links *links,
                      const char *folder)
{
    msp_cleanup(close_dir) DIR *dir = NULL;
    char path[2 * MSP_PIN_PATH_BYTES];
    const struct dirent *entry;
    int r = 0;

    (void)snprintf(path, sizeof(path), "%s/%s", loader->pins.root, folder);
    dir = opendir(path);
    while (r == 0 && dir && (entry = readdir(dir))) {
        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof(path), "%s/%s/%s", loader->pins.root,
                       folder, entry->d_name);
        r = add_link(loader, links, path);
    }
    return r;
}

static bool is_one_of(const struct links *links, uint32_t id)
{
    for (size_t i = 0; i < links->n; i++)
        if (links->id[i] == id)
            return true;
    return false;
}

/* Every start has new ones: those that are gone would fill the table. */
static void drop_others(int map_fd, const struct links *links)
{
    struct links gone = {.n = 0};
    uint32_t id, *last = NULL;

    while (gone.n < MSP_GUARD_LINKS_MAX &&
           bpf_map_get_next_key(map_fd, last, &id) == 0) {
        if (!is_one_of(links, id))
            gone.id[gone.n++] = id;
        last = &id;
    }
    for (size_t i = 0; i < gone.n; i++)
        (void)bpf_map_delete_elem(map_fd, &gone.id[i]);
}

int msp_guard_links(struct msp_loader *loader)
{
    msp_autoclose int map_fd = open_map(loader, "msp_guard_link");
    struct links links = {.n = 0};
    __u32 one = 1;
    int r;

    if (map_fd < 0)
        return map_fd;
    r = add_folder(loader, &links, "links");
    if (r == 0)
        r = add_folder(loader, &links, "uplinks");
    for (size_t i = 0; r == 0 && i < links.n; i++)
        if (bpf_map_update_elem(map_fd, &links.id[i], &one, BPF_ANY) < 0)
            r = msp_loader_fail(loader, -errno, "registering a link");
    if (r == 0)
        drop_others(map_fd, &links);
    return r;
}

/* Attached anew beside the one there may be, and renamed over it. */
static int attach_sysctl(struct msp_loader *loader,
                         const struct msp_guard_bpf *skel, int cgroup_fd)
{
    char from[MSP_PIN_PATH_BYTES], to[MSP_PIN_PATH_BYTES];
    msp_autoclose int fd =
        bpf_link_create(bpf_program__fd(skel->progs.msp_g_sysctl), cgroup_fd,
                        BPF_CGROUP_SYSCTL, NULL);

    if (fd < 0)
        return msp_loader_fail(loader, -errno, "attaching %s", sysctl_link);
    msp_pins_path(&loader->pins, "links", sysctl_link, true, from);
    msp_pins_path(&loader->pins, "links", sysctl_link, false, to);
    (void)unlink(from);
    if (bpf_obj_pin(fd, from) < 0 || rename(from, to) < 0)
        return msp_loader_fail(loader, -errno, "pinning %s", to);
    return 0;
}

/* --- making -------------------------------------------------------------- */

static int empty_map(struct msp_loader *loader, const struct bpf_map *map)
{
    int fd = bpf_map__fd(map);
    char key[sizeof(struct msp_exe)]; /* the largest */

    if (bpf_map__key_size(map) > sizeof(key))
        return -EINVAL;
    while (bpf_map_get_next_key(fd, NULL, key) == 0)
        if (bpf_map_delete_elem(fd, key) < 0 && errno != ENOENT)
            return msp_loader_fail(loader, -errno, "emptying %s",
                                   bpf_map__name(map));
    return 0;
}

static int register_files(struct msp_loader *loader,
                          const struct msp_guard_bpf *skel,
                          const struct msp_guard_config *config)
{
    int want_fd = bpf_map__fd(skel->maps.msp_guard_want), r;
    uint32_t left;

    for (size_t i = 0; i < config->n; i++) {
        uint32_t fd = (uint32_t)config->want[i].fd;

        if (bpf_map_update_elem(want_fd, &fd, &config->want[i].flags, BPF_ANY) <
            0)
            return msp_loader_fail(loader, -errno, "writing msp_guard_want");
    }
    r = run_iter(loader, skel->progs.msp_g_files, getpid());
    if (r < 0)
        return r;
    if (bpf_map_get_next_key(want_fd, NULL, &left) == 0)
        /* fail closed: a guard with a gap */
        return msp_loader_fail(loader, -ENOSPC,
                               "the guard could not register a file");
    return 0;
}

/* What an earlier guard, unlocked now, had registered does not count. */
static int forget(struct msp_loader *loader, const struct msp_guard_bpf *skel)
{
    const struct bpf_map *const maps[] = {
        skel->maps.msp_guard_file, skel->maps.msp_guard_link,
        skel->maps.msp_guard_cg,   skel->maps.msp_guard_mnt,
        skel->maps.msp_guard_want, skel->maps.msp_guard_shape,
    };

    for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
        int r = empty_map(loader, maps[i]);

        if (r < 0)
            return r;
    }
    return 0;
}

/*
 * What only programs write: then a descriptor to write it can do no harm, and
 * bpftool, which asks for one to dump a map, gets it.
 */
static int freeze_counts(struct msp_loader *loader)
{
    static const char *const names[] = {"msp_audit", "msp_aud_uids",
                                        "msp_counters", "msp_stats",
                                        "msp_guard_stat"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        msp_autoclose int fd = open_map(loader, names[i]);

        if (fd < 0)
            return fd;
        /* EBUSY: an earlier mspd has */
        if (bpf_map_freeze(fd) < 0 && errno != EBUSY)
            return msp_loader_fail(loader, -errno, "freezing %s", names[i]);
    }
    return 0;
}

static int lock(struct msp_loader *loader,
                const struct msp_guard_config *config)
{
    struct msp_guard_state state;
    int r = msp_guard_read(loader, &state);

    if (r < 0)
        return msp_loader_fail(loader, r, "reading msp_guard");
    if (!state.since_ns) {
        state.since_ns = boot_ns();
        state.since_s = (uint64_t)time(NULL);
    }
    memcpy(state.options, config->state.options, sizeof(state.options));
    memcpy(state.host, config->state.host, sizeof(state.host));
    memcpy(state.key, config->state.key, sizeof(state.key));
    state.unlocked_until_ns = 0;
    state.flags = config->state.flags | MSP_GUARD_ON;
    return write_state(loader, &state);
}

int msp_guard_make(struct msp_loader *loader, int cgroup_fd,
                   const struct msp_guard_config *config, int *ret_roles_fd)
{
    msp_cleanup(close_skel) struct msp_guard_bpf *skel = NULL;
    msp_autoclose int roles_fd = -1;
    int r = open_skel(loader, &skel);

    if (r == 0)
        r = forget(loader, skel);
    if (r == 0)
        r = run_place(loader, skel);
    if (r == 0)
        r = register_files(loader, skel, config);
    if (r == 0)
        r = run_iter(loader, skel->progs.msp_g_tasks, 0);
    if (r == 0)
        r = run_iter(loader, skel->progs.msp_g_shapes, 0);
    if (r == 0)
        r = attach_sysctl(loader, skel, cgroup_fd);
    if (r == 0)
        r = msp_guard_links(loader);
    if (r == 0)
        r = freeze_counts(loader);
    if (r == 0)
        r = take_roles(loader, skel, &roles_fd);
    if (r == 0)
        r = lock(loader, config);
    if (r == 0)
        *ret_roles_fd = TAKE_FD(roles_fd);
    return r;
}

int msp_guard_take_over(struct msp_loader *loader, int cgroup_fd,
                        int *ret_roles_fd)
{
    msp_cleanup(close_skel) struct msp_guard_bpf *skel = NULL;
    msp_autoclose int roles_fd = -1;
    int r = open_skel(loader, &skel);

    if (r == 0)
        r = run_place(loader, skel);
    if (r == 0)
        r = run_iter(loader, skel->progs.msp_g_shapes, 0);
    if (r == 0)
        r = attach_sysctl(loader, skel, cgroup_fd);
    if (r == 0)
        r = msp_guard_links(loader);
    if (r == 0)
        r = take_roles(loader, skel, &roles_fd);
    if (r == 0)
        *ret_roles_fd = TAKE_FD(roles_fd);
    return r;
}

/* --- names --------------------------------------------------------------- */

const char *msp_guard_kind_name(enum msp_guard_kind kind)
{
    static const char *const names[] = {
        [MSP_GUARD_KIND_MAP] = "map",
        [MSP_GUARD_KIND_LINK] = "link",
        [MSP_GUARD_KIND_PROG] = "program",
        [MSP_GUARD_KIND_PIN] = "pin",
        [MSP_GUARD_KIND_MOUNT] = "mount",
        [MSP_GUARD_KIND_FILE] = "file",
        [MSP_GUARD_KIND_PROCESS] = "process",
        [MSP_GUARD_KIND_FTRACE] = "ftrace",
        [MSP_GUARD_KIND_CGROUP] = "cgroup",
        [MSP_GUARD_KIND_KERNEL] = "kernel",
    };
    _Static_assert(ARRAY_SIZE(names) == MSP_GUARD_KIND_COUNT, "names");

    return (unsigned int)kind < ARRAY_SIZE(names) ? names[kind] : "unknown";
}

const char *msp_guard_is_name(enum msp_guard_is is)
{
    static const char *const names[] = {
        [MSP_GUARD_IS_NONE] = "off",
        [MSP_GUARD_IS_UNLOCKED] = "unlocked",
        [MSP_GUARD_IS_LOCKED] = "locked",
    };
    _Static_assert(ARRAY_SIZE(names) == MSP_GUARD_IS_COUNT, "names");

    return (unsigned int)is < ARRAY_SIZE(names) ? names[is] : "unknown";
}
