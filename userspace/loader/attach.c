/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "loader/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <msp/cleanup.h>

#include "loader/effective.h"
#include "loader/iter.h"
#include "loader/object.h"
#include "loader/upgrade.h"
#include "msp.skel.h"

/* Of those that have a cgroup. */
static const enum bpf_attach_type attach_types[MSP_PROG_LINKS] = {
    [MSP_PROG_SOCKOPS] = BPF_CGROUP_SOCK_OPS,
    [MSP_PROG_BIND4] = BPF_CGROUP_INET4_BIND,
    [MSP_PROG_BIND6] = BPF_CGROUP_INET6_BIND,
    [MSP_PROG_PEERNAME4] = BPF_CGROUP_INET4_GETPEERNAME,
    [MSP_PROG_PEERNAME6] = BPF_CGROUP_INET6_GETPEERNAME,
    [MSP_PROG_EGRESS] = BPF_CGROUP_INET_EGRESS,
    [MSP_PROG_SENDMSG4] = BPF_CGROUP_UDP4_SENDMSG,
    [MSP_PROG_SENDMSG6] = BPF_CGROUP_UDP6_SENDMSG,
    [MSP_PROG_CONNECT6] = BPF_CGROUP_INET6_CONNECT,
    [MSP_PROG_CONNECT4] = BPF_CGROUP_INET4_CONNECT,
};

enum bpf_attach_type msp_attach_type(enum msp_prog prog)
{
    return attach_types[prog];
}

static bool is_tracing(int i)
{
    return i < MSP_PROG_CGROUP_LINKS;
}

/* @return a link's descriptor; negative errno */
static int attach_one(const struct msp_loader *loader, int i, int cgroup_fd)
{
    int prog_fd = msp_loader_prog_fd(loader, i);
    int fd = is_tracing(i)
                 ? bpf_raw_tracepoint_open(NULL, prog_fd)
                 : bpf_link_create(prog_fd, cgroup_fd, attach_types[i], NULL);

    return fd < 0 ? -errno : fd;
}

/*
 * Records are kept for processes below our cgroup only: set before the first
 * program runs.
 */
static int set_scope(struct msp_loader *loader, uint64_t cgroup_id)
{
    struct msp_find_scope_ctx ctx = {.cgroup = cgroup_id};
    LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &ctx,
                .ctx_size_in = sizeof(ctx));
    int fd = bpf_program__fd(loader->skel->progs.msp_find_scope);
    int r = bpf_prog_test_run_opts(fd, &opts);

    if (r < 0)
        return msp_loader_fail(loader, r, "running msp_find_scope");
    if (ctx.level == MSP_SCOPE_NONE)
        return msp_loader_fail(loader, -EXDEV, "mspd is not in its cgroup");
    __atomic_store_n(&loader->meta->scope_level, ctx.level, __ATOMIC_RELEASE);
    __atomic_store_n(&loader->meta->scope_cgroup, ctx.level ? cgroup_id : 0,
                     __ATOMIC_RELEASE);
    return 0;
}

static int pin_programs(struct msp_loader *loader, bool is_new)
{
    char path[MSP_PIN_PATH_BYTES];

    for (int i = 0; i < MSP_PROG_COUNT; i++) {
        msp_pins_path(&loader->pins, "progs", msp_prog_names[i], is_new, path);
        (void)unlink(path);
        if (bpf_obj_pin(msp_loader_prog_fd(loader, i), path) < 0)
            return msp_loader_fail(loader, -errno, "pinning %s", path);
    }
    return 0;
}

/* --- first start -------------------------------------------------------- */

static void unpin_links(struct msp_loader *loader)
{
    char path[MSP_PIN_PATH_BYTES];

    for (int i = MSP_PROG_LINKS - 1; i >= 0; i--) {
        msp_pins_path(&loader->pins, "links", msp_link_names[i], false, path);
        (void)unlink(path);
        if (loader->link_fd[i] >= 0)
            (void)close(loader->link_fd[i]);
        loader->link_fd[i] = -1;
    }
}

/* What came before the tracepoints were there to see it. */
static int catch_up(struct msp_loader *loader)
{
    uint64_t n_left;
    int r = msp_iter_tasks(loader);

    if (r == 0)
        r = msp_iter_cgroups(loader);
    /* of containers that were registered before */
    return r < 0 ? r : msp_iter_containers(loader, 0, &n_left);
}

/* Says who excludes ours, if it is somebody. @return r */
static int attach_failed(struct msp_loader *loader, int i, int cgroup_fd, int r)
{
    uint32_t id =
        is_tracing(i) ? 0 : msp_effective_excluder(cgroup_fd, (enum msp_prog)i);

    if (!id)
        return msp_loader_fail(loader, r, "attaching %s", msp_prog_names[i]);
    return msp_loader_fail(loader, r,
                           "attaching %s: program %u is attached there without "
                           "BPF_F_ALLOW_MULTI and excludes it",
                           msp_prog_names[i], id);
}

static int attach_new(struct msp_loader *loader, int cgroup_fd)
{
    char path[MSP_PIN_PATH_BYTES];
    int r;

    r = pin_programs(loader, false);
    if (r < 0)
        return r;
    for (int i = 0; i < MSP_PROG_LINKS; i++) {
        int fd = attach_one(loader, i, cgroup_fd);

        if (fd < 0) {
            r = attach_failed(loader, i, cgroup_fd, fd);
            unpin_links(loader);
            return r;
        }
        loader->link_fd[i] = fd;
        msp_pins_path(&loader->pins, "links", msp_link_names[i], false, path);
        if (bpf_obj_pin(fd, path) < 0) {
            r = msp_loader_fail(loader, -errno, "pinning %s", path);
            unpin_links(loader);
            return r;
        }
        if (i + 1 == MSP_PROG_CGROUP_LINKS)
            r = catch_up(loader);
        if (r < 0) {
            unpin_links(loader);
            return r;
        }
    }
    return 0;
}

/* --- later starts ------------------------------------------------------- */

static int prog_id_of(int fd, __u32 *ret_id)
{
    struct bpf_prog_info info = {0};
    __u32 len = sizeof(info);

    if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
        return -errno;
    *ret_id = info.id;
    return 0;
}

/*
 * The program a link runs now, among its two pins: an mspd that died between
 * the exchange and the rename left it under the new name.
 */
static int open_current(struct msp_loader *loader, int i, __u32 wanted)
{
    char path[MSP_PIN_PATH_BYTES], name[MSP_PIN_PATH_BYTES];

    msp_pins_path(&loader->pins, "progs", msp_prog_names[i], false, name);
    for (int is_new = 0; is_new < 2; is_new++) {
        msp_autoclose int fd = -1;
        __u32 id = 0;

        msp_pins_path(&loader->pins, "progs", msp_prog_names[i], is_new, path);
        if (is_new && access(path, F_OK) < 0)
            continue;
        fd = msp_object_open(loader, path, MSP_OBJECT_PROG, msp_prog_names[i]);
        if (fd < 0)
            return fd;
        if (prog_id_of(fd, &id) < 0 || id != wanted)
            continue;
        if (is_new && rename(path, name) < 0)
            return msp_loader_fail(loader, -errno, "renaming %s", path);
        return TAKE_FD(fd);
    }
    return msp_loader_fail(loader, -EUCLEAN,
                           "link %s runs a program that is not pinned; "
                           "nothing was changed",
                           msp_link_names[i]);
}

/* Opens link i and its program; checks the cgroup. */
static int open_link(struct msp_loader *loader, int i, uint64_t cgroup_id,
                     int *ret_prog_fd)
{
    char path[MSP_PIN_PATH_BYTES];
    struct bpf_link_info info = {0};
    __u32 len = sizeof(info);

    msp_pins_path(&loader->pins, "links", msp_link_names[i], false, path);
    loader->link_fd[i] = msp_object_open(loader, path, MSP_OBJECT_LINK, NULL);
    if (loader->link_fd[i] < 0)
        return loader->link_fd[i];
    if (bpf_obj_get_info_by_fd(loader->link_fd[i], &info, &len) < 0)
        return msp_loader_fail(loader, -errno, "reading %s", path);
    if (is_tracing(i) ? info.type != BPF_LINK_TYPE_RAW_TRACEPOINT &&
                            info.type != BPF_LINK_TYPE_TRACING
                      : info.type != BPF_LINK_TYPE_CGROUP ||
                            info.cgroup.attach_type != (__u32)attach_types[i])
        return msp_loader_fail(loader, -EUCLEAN,
                               "%s is a link of another kind; nothing was "
                               "changed",
                               path);
    if (is_tracing(i)) {
        *ret_prog_fd = open_current(loader, i, info.prog_id);
        return *ret_prog_fd < 0 ? *ret_prog_fd : 0;
    }
    if (info.cgroup.cgroup_id == 0)
        return msp_loader_fail(loader, -EUCLEAN,
                               "the cgroup of %s was removed; to start anew: "
                               "mspctl detach --yes --pin-dir %s",
                               path, loader->pins.dir);
    if (info.cgroup.cgroup_id != cgroup_id)
        return msp_loader_fail(loader, -EUCLEAN,
                               "%s is attached at another cgroup than "
                               "--cgroup; nothing was changed",
                               path);
    *ret_prog_fd = open_current(loader, i, info.prog_id);
    return *ret_prog_fd < 0 ? *ret_prog_fd : 0;
}

/*
 * Tracing links cannot be exchanged: the new program runs beside the old one,
 * which writes the same, until its pin is taken over.
 */
static int trace_again(struct msp_loader *loader)
{
    char path[MSP_PIN_PATH_BYTES];

    for (int i = 0; i < MSP_PROG_CGROUP_LINKS; i++) {
        msp_autoclose int fd = attach_one(loader, i, -1);

        if (fd < 0)
            return msp_loader_fail(loader, fd, "attaching %s",
                                   msp_prog_names[i]);
        msp_pins_path(&loader->pins, "links", msp_link_names[i], true, path);
        (void)unlink(path); /* of an mspd that died here */
        if (bpf_obj_pin(fd, path) < 0)
            return msp_loader_fail(loader, -errno, "pinning %s", path);
        (void)close(loader->link_fd[i]);
        loader->link_fd[i] = TAKE_FD(fd);
    }
    return 0;
}

static void untrace(const struct msp_loader *loader)
{
    char path[MSP_PIN_PATH_BYTES];

    for (int i = 0; i < MSP_PROG_CGROUP_LINKS; i++) {
        msp_pins_path(&loader->pins, "links", msp_link_names[i], true, path);
        (void)unlink(path);
    }
}

/* The new pins take the places of the old ones. */
static int rename_pins(struct msp_loader *loader, const char *folder,
                       const char *const *names, int n)
{
    char from[MSP_PIN_PATH_BYTES], to[MSP_PIN_PATH_BYTES];

    for (int i = 0; i < n; i++) {
        msp_pins_path(&loader->pins, folder, names[i], true, from);
        msp_pins_path(&loader->pins, folder, names[i], false, to);
        if (rename(from, to) < 0)
            return msp_loader_fail(loader, -errno, "renaming %s", from);
    }
    return 0;
}

static int exchange(int link_fd, int new_fd, int old_fd)
{
    LIBBPF_OPTS(bpf_link_update_opts, opts, .flags = BPF_F_REPLACE,
                .old_prog_fd = (__u32)old_fd);

    return bpf_link_update(link_fd, new_fd, &opts) < 0 ? -errno : 0;
}

static int exchange_all(struct msp_loader *loader, const int *old_fd)
{
    for (int i = MSP_PROG_CGROUP_LINKS; i < MSP_PROG_LINKS; i++) {
        int new_fd = msp_loader_prog_fd(loader, i);
        int r = exchange(loader->link_fd[i], new_fd, old_fd[i]);

        if (r == 0)
            continue;
        while (--i >= MSP_PROG_CGROUP_LINKS) /* back to what was in force */
            (void)exchange(loader->link_fd[i], old_fd[i],
                           msp_loader_prog_fd(loader, i));
        return msp_loader_fail(loader, r, "exchanging a program");
    }
    return 0;
}

static int attach_again(struct msp_loader *loader, uint64_t cgroup_id)
{
    int old_fd[MSP_PROG_LINKS] = MSP_NO_LINKS;
    int r = 0;

    for (int i = 0; i < MSP_PROG_LINKS && r == 0; i++)
        r = open_link(loader, i, cgroup_id, &old_fd[i]);
    if (r == 0)
        r = pin_programs(loader, true);
    if (r == 0) {
        r = trace_again(loader);
        if (r == 0)
            r = exchange_all(loader, old_fd);
        if (r < 0)
            untrace(loader);
    }
    for (int i = 0; i < MSP_PROG_LINKS; i++)
        if (old_fd[i] >= 0)
            (void)close(old_fd[i]);
    if (r == 0)
        r = rename_pins(loader, "links", msp_link_names, MSP_PROG_CGROUP_LINKS);
    if (r == 0)
        r = rename_pins(loader, "progs", msp_prog_names, MSP_PROG_COUNT);
    return r;
}

int msp_attach(struct msp_loader *loader, int cgroup_fd)
{
    struct stat st;
    int r;

    /* the inode number of a cgroup v2 directory is its id */
    if (fstat(cgroup_fd, &st) < 0)
        return msp_loader_fail(loader, -errno, "reading the cgroup");
    r = msp_upgrade_check(loader, st.st_ino);
    if (r == 0)
        r = set_scope(loader, st.st_ino);
    if (r == 0)
        r = loader->is_reused ? attach_again(loader, st.st_ino)
                              : attach_new(loader, cgroup_fd);
    return r < 0 ? r : msp_upgrade_finish(loader);
}
