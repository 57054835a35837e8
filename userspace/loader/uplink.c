/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "loader/uplink.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <msp/cleanup.h>

#include "loader/filter.h"

/* Of headers newer than this system's: BPF_TCX_EGRESS, BPF_LINK_TYPE_TCX. */
#define TCX_EGRESS ((enum bpf_attach_type)47)
#define TCX_LINK   11
#define TCX_BEFORE (1u << 3) /* BPF_F_BEFORE: first of all */
#define TCX_MAX    64        /* programs of a device, a maximum of the kernel */

static const char folder[] = "uplinks";

static int pin_path(const char *root, uint32_t ifindex,
                    char ret_path[MSP_PIN_PATH_BYTES])
{
    int n = snprintf(ret_path, MSP_PIN_PATH_BYTES, "%s/%s/%" PRIu32, root,
                     folder, ifindex);

    return n < 0 || n >= MSP_PIN_PATH_BYTES ? -ENAMETOOLONG : 0;
}

/* --- a link --------------------------------------------------------------- */

/*
 * Where a program is among those of this namespace's device: a link whose
 * device has gone to another namespace still says the same ifindex.
 */
static enum msp_uplink_place place_of(uint32_t ifindex, uint32_t prog_id)
{
    __u32 id[TCX_MAX] = {0}, n = TCX_MAX, flags = 0;
    int r = bpf_prog_query((int)ifindex, TCX_EGRESS, 0, &flags, id, &n);

    if (r < 0)
        return MSP_UPLINK_GONE;
    for (__u32 i = 0; i < n && i < TCX_MAX; i++)
        if (id[i] == prog_id)
            return i ? MSP_UPLINK_BEHIND : MSP_UPLINK_FIRST;
    return MSP_UPLINK_GONE;
}

/*
 * @param ret_place set on success
 * @return the pinned link's descriptor, if it still is at the device; -1
 */
static int open_link(const char *path, uint32_t ifindex,
                     enum msp_uplink_place *ret_place)
{
    /* struct bpf_link_info of newer headers: type, id, prog_id, ifindex */
    union {
        struct bpf_link_info known;

        struct {
            __u32 type, id, prog_id, pad;
            __u32 ifindex;
        } tcx;
    } info = {.known = {0}};

    msp_autoclose int fd = bpf_obj_get(path);
    __u32 len = sizeof(info);

    if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
        return -1;
    if (info.tcx.type != TCX_LINK || info.tcx.ifindex != ifindex)
        return -1;
    *ret_place = place_of(ifindex, info.tcx.prog_id);
    return *ret_place == MSP_UPLINK_GONE ? -1 : TAKE_FD(fd);
}

static int attach_link(struct msp_loader *loader, const char *path,
                       uint32_t ifindex, int prog_fd)
{
    LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = TCX_BEFORE);
    enum msp_uplink_place place;
    msp_autoclose int fd = open_link(path, ifindex, &place);

    if (fd >= 0)
        return bpf_link_update(fd, prog_fd, NULL) < 0
                   ? msp_loader_fail(loader, -errno, "exchanging %s", path)
                   : 0;
    (void)unlink(path); /* of a device that is gone, or detached */
    fd = bpf_link_create(prog_fd, (int)ifindex, TCX_EGRESS, &opts);
    if (fd < 0)
        return msp_loader_fail(loader, -errno, "attaching to device %" PRIu32,
                               ifindex);
    if (bpf_obj_pin(fd, path) < 0)
        return msp_loader_fail(loader, -errno, "pinning %s", path);
    return 0;
}

/* --- a filter -------------------------------------------------------------- */

/* The pin is of the program: it says that there is a filter to take off. */
static int attach_filter(struct msp_loader *loader, const char *path,
                         uint32_t ifindex, int prog_fd)
{
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
                .attach_point = BPF_TC_EGRESS);
    LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = prog_fd,
                .flags = BPF_TC_F_REPLACE, .handle = MSP_UPLINK_HANDLE,
                .priority = MSP_UPLINK_PREF);
    int r;

    (void)unlink(path);
    if (bpf_obj_pin(prog_fd, path) < 0)
        return msp_loader_fail(loader, -errno, "pinning %s", path);
    r = bpf_tc_hook_create(&hook);
    if (r == 0 || r == -EEXIST)
        r = bpf_tc_attach(&hook, &opts);
    if (r < 0) {
        (void)unlink(path);
        return msp_loader_fail(loader, r, "filter at device %" PRIu32, ifindex);
    }
    return 0;
}

static int query_filter(uint32_t ifindex)
{
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
                .attach_point = BPF_TC_EGRESS);
    LIBBPF_OPTS(bpf_tc_opts, opts, .handle = MSP_UPLINK_HANDLE,
                .priority = MSP_UPLINK_PREF);
    uint32_t first = 0;
    int r;

    if (bpf_tc_query(&hook, &opts) != 0)
        return MSP_UPLINK_GONE;
    r = msp_filter_first(ifindex, &first);
    if (r < 0)
        return r;
    return first == MSP_UPLINK_HANDLE ? MSP_UPLINK_FIRST : MSP_UPLINK_BEHIND;
}

/* The queue itself stays: others may use it. */
static int detach_filter(uint32_t ifindex)
{
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
                .attach_point = BPF_TC_EGRESS);
    LIBBPF_OPTS(bpf_tc_opts, opts, .handle = MSP_UPLINK_HANDLE,
                .priority = MSP_UPLINK_PREF);
    int r = bpf_tc_detach(&hook, &opts);

    /* gone with its device, or removed by somebody */
    return r == -ENODEV || r == -ENOENT || r == -EINVAL ? 0 : r;
}

/* --- either ---------------------------------------------------------------- */

/* What a pin is: a link, or the program of a filter. */
static enum msp_uplink_kind kind_of(const char *path)
{
    msp_autoclose int fd = bpf_obj_get(path);
    struct bpf_prog_info prog = {0};
    __u32 len = sizeof(prog);

    if (fd < 0)
        return MSP_UPLINK_NONE;
    /* a link's description is shorter and has no such type */
    if (bpf_obj_get_info_by_fd(fd, &prog, &len) == 0 &&
        prog.type == BPF_PROG_TYPE_SCHED_CLS)
        return MSP_UPLINK_CLSACT;
    return MSP_UPLINK_TCX;
}

int msp_uplink_attach(struct msp_loader *loader, uint32_t ifindex,
                      bool has_ethernet, enum msp_uplink_kind *ret_kind)
{
    int prog_fd = msp_loader_prog_fd(loader, has_ethernet ? MSP_PROG_UPLINK
                                                          : MSP_PROG_UPLINK_L3);
    char path[MSP_PIN_PATH_BYTES];
    int r = pin_path(loader->pins.root, ifindex, path);

    if (r < 0)
        return r;
    if (kind_of(path) != MSP_UPLINK_CLSACT) {
        r = attach_link(loader, path, ifindex, prog_fd);
        *ret_kind = MSP_UPLINK_TCX;
        if (r != -EINVAL) /* which says: this kernel has no such links */
            return r;
    }
    *ret_kind = MSP_UPLINK_CLSACT;
    return attach_filter(loader, path, ifindex, prog_fd);
}

int msp_uplink_check(struct msp_loader *loader, uint32_t ifindex)
{
    enum msp_uplink_place place = MSP_UPLINK_GONE;
    char path[MSP_PIN_PATH_BYTES];
    msp_autoclose int fd = -1;
    int r = pin_path(loader->pins.root, ifindex, path);

    if (r < 0)
        return r;
    switch (kind_of(path)) {
    case MSP_UPLINK_CLSACT:
        return query_filter(ifindex);
    case MSP_UPLINK_TCX:
        fd = open_link(path, ifindex, &place);
        return fd < 0 ? MSP_UPLINK_GONE : (int)place;
    case MSP_UPLINK_NONE:
        break;
    }
    return MSP_UPLINK_GONE;
}

static int detach_path(struct msp_loader *loader, const char *path,
                       uint32_t ifindex)
{
    int r = kind_of(path) == MSP_UPLINK_CLSACT ? detach_filter(ifindex) : 0;
    enum msp_uplink_place place;
    msp_autoclose int fd = open_link(path, ifindex, &place);

    if (r < 0)
        return msp_loader_fail(
            loader, r, "taking the filter off device %" PRIu32, ifindex);
    if (fd >= 0 && bpf_link_detach(fd) < 0 && errno != ENOLINK)
        return msp_loader_fail(loader, -errno, "detaching %s", path);
    if (unlink(path) < 0 && errno != ENOENT)
        return msp_loader_fail(loader, -errno, "removing %s", path);
    return 0;
}

int msp_uplink_detach(struct msp_loader *loader, uint32_t ifindex)
{
    char path[MSP_PIN_PATH_BYTES];
    int r = pin_path(loader->pins.root, ifindex, path);

    return r < 0 ? r : detach_path(loader, path, ifindex);
}

static void close_dir(DIR **dir)
{
    if (*dir)
        (void)closedir(*dir);
}

/* @return 0; what fn returned first */
static int each(const char *root, int (*fn)(void *data, uint32_t ifindex),
                void *data)
{
    msp_cleanup(close_dir) DIR *dir = NULL;
    char path[MSP_PIN_PATH_BYTES];
    const struct dirent *entry;
    int r = 0;

    (void)snprintf(path, sizeof(path), "%s/%s", root, folder);
    dir = opendir(path);
    while (r == 0 && dir && (entry = readdir(dir))) {
        char *end;
        unsigned long ifindex = strtoul(entry->d_name, &end, 10);

        if (!*end && ifindex && ifindex <= INT32_MAX)
            r = fn(data, (uint32_t)ifindex);
    }
    return r;
}

struct visit {
    struct msp_loader *loader;
    const char *root;
    void (*fn)(void *data, uint32_t ifindex);
    void *data;
};

static int detach_one(void *data, uint32_t ifindex)
{
    const struct visit *visit = data;
    char path[MSP_PIN_PATH_BYTES];
    int r = pin_path(visit->root, ifindex, path);

    return r < 0 ? r : detach_path(visit->loader, path, ifindex);
}

int msp_uplink_detach_all(struct msp_loader *loader, const char *root)
{
    struct visit visit = {.loader = loader, .root = root};

    return each(root, detach_one, &visit);
}

static int tell_one(void *data, uint32_t ifindex)
{
    const struct visit *visit = data;

    visit->fn(visit->data, ifindex);
    return 0;
}

void msp_uplink_each(const struct msp_loader *loader,
                     void (*fn)(void *data, uint32_t ifindex), void *data)
{
    struct visit visit = {.fn = fn, .data = data};

    (void)each(loader->pins.root, tell_one, &visit);
}
