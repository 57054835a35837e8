/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "loader/upgrade.h"

#include <dirent.h>
#include <errno.h>
#include <sys/mman.h>

#include <bpf/bpf.h>

#include <msp/cleanup.h>

#include "loader/object.h"
#include "loader/uplink.h"

static void close_dir(DIR **dir)
{
    if (*dir)
        (void)closedir(*dir);
}

/* Calls fn for each link below `root`. @return 0; what fn did */
static int each_link(struct msp_loader *loader, const char *root,
                     int (*fn)(struct msp_loader *loader, const char *path,
                               const void *data),
                     const void *data)
{
    msp_cleanup(close_dir) DIR *dir = NULL;
    char path[MSP_PIN_PATH_BYTES];
    const struct dirent *entry;
    int r = 0;

    (void)snprintf(path, sizeof(path), "%s/links", root);
    dir = opendir(path);
    if (!dir)
        return errno == ENOENT ? 0 : -errno;
    while (r == 0 && (entry = readdir(dir))) {
        int n;

        if (entry->d_name[0] == '.')
            continue;
        n = snprintf(path, sizeof(path), "%s/links/%s", root, entry->d_name);
        r = n < 0 || (size_t)n >= sizeof(path) ? -ENAMETOOLONG
                                               : fn(loader, path, data);
    }
    return r;
}

/* --- before ------------------------------------------------------------- */

static int has_link(void *data, const char *root)
{
    (void)data;
    return msp_pins_has_link(root);
}

bool msp_upgrade_is_due(const struct msp_loader *loader)
{
    return msp_pins_each_other(&loader->pins, has_link, NULL) > 0;
}

static int check_link(struct msp_loader *loader, const char *path,
                      const void *data)
{
    const uint64_t *cgroup_id = data;
    msp_autoclose int fd = msp_object_open(loader, path, MSP_OBJECT_LINK, NULL);
    struct bpf_link_info info = {0};
    __u32 len = sizeof(info);

    if (fd < 0)
        return fd;
    if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
        return msp_loader_fail(loader, -errno, "reading %s", path);
    if (info.type == BPF_LINK_TYPE_RAW_TRACEPOINT ||
        info.type == BPF_LINK_TYPE_TRACING)
        return 0;
    if (info.type != BPF_LINK_TYPE_CGROUP)
        return msp_loader_fail(loader, -EUCLEAN,
                               "%s is not a link at a cgroup or tracepoint; "
                               "nothing was changed",
                               path);
    /* one whose cgroup was removed has the id 0 and holds nobody */
    if (info.cgroup.cgroup_id && info.cgroup.cgroup_id != *cgroup_id)
        return msp_loader_fail(loader, -EUCLEAN,
                               "%s is attached at another cgroup than "
                               "--cgroup; nothing was changed",
                               path);
    return 0;
}

struct check {
    struct msp_loader *loader;
    uint64_t cgroup_id;
};

static int check_tree(void *data, const char *root)
{
    struct check *check = data;

    return each_link(check->loader, root, check_link, &check->cgroup_id);
}

int msp_upgrade_check(struct msp_loader *loader, uint64_t cgroup_id)
{
    struct check check = {.loader = loader, .cgroup_id = cgroup_id};

    return msp_pins_each_other(&loader->pins, check_tree, &check);
}

/* --- after -------------------------------------------------------------- */

/*
 * The earlier proxy may live without its mspd; its epoch moves on, so that it
 * stops accepting and drains. It can do no harm if this fails: our programs
 * let its sockets go nowhere.
 */
static void retire_proxy(struct msp_loader *loader, const char *root)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char path[MSP_PIN_PATH_BYTES];
    msp_autoclose int fd = -1;
    struct msp_meta *meta;
    int n;

    n = snprintf(path, sizeof(path), "%s/maps/msp_meta", root);
    if (n < 0 || (size_t)n >= sizeof(path) || access(path, F_OK) < 0)
        return;
    fd = msp_object_open(loader, path, MSP_OBJECT_MAP, "msp_meta");
    if (fd < 0)
        return;
    meta = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (meta == MAP_FAILED)
        return;
    (void)__atomic_add_fetch(&meta->agent_epoch, 1, __ATOMIC_ACQ_REL);
    (void)munmap(meta, page);
}

/* Detached at once, whoever else holds the link. */
static int remove_link(struct msp_loader *loader, const char *path,
                       const void *data)
{
    msp_autoclose int fd = bpf_obj_get(path);

    (void)data;
    if (fd >= 0 && bpf_link_detach(fd) < 0 && errno != ENOLINK &&
        errno != EINVAL && errno != EOPNOTSUPP)
        return msp_loader_fail(loader, -errno, "detaching %s", path);
    if (unlink(path) < 0)
        return msp_loader_fail(loader, -errno, "removing %s", path);
    return 0;
}

static int remove_tree(void *data, const char *root)
{
    struct msp_loader *loader = data;
    int r;

    retire_proxy(loader, root);
    r = msp_uplink_detach_all(loader, root);
    if (r < 0)
        return r;
    r = each_link(loader, root, remove_link, NULL);
    if (r < 0)
        return r;
    r = msp_pins_remove_tree(root);
    return r < 0 ? msp_loader_fail(loader, r, "removing %s", root) : 0;
}

int msp_upgrade_finish(struct msp_loader *loader)
{
    return msp_pins_each_other(&loader->pins, remove_tree, loader);
}

int msp_upgrade_detach(struct msp_loader *loader)
{
    char path[MSP_PIN_PATH_BYTES];
    int r = 0;

    /* connect last: until then nobody passes who was not judged */
    for (int i = 0; i < MSP_PROG_LINKS && r == 0; i++) {
        msp_pins_path(&loader->pins, "links", msp_link_names[i], false, path);
        if (access(path, F_OK) == 0)
            r = remove_link(loader, path, NULL);
    }
    if (r == 0)
        r = msp_upgrade_finish(loader);
    if (r == 0)
        r = remove_tree(loader, loader->pins.root);
    if (r == 0)
        (void)rmdir(loader->pins.dir); /* may be shared, or a mount point */
    return r;
}
