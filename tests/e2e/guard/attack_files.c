/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Ways to write a file in a guarded directory that do not lead through it:
 * another name, its handle, an overlay. For what is below /tmp, on one file
 * system.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/fs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <msp/cleanup.h>

#include "attack.h"

/* The other name is where nothing is guarded. */
static int write_by_link(const char *path)
{
    static const char to[] = "/tmp/attack-link";
    int r;

    (void)unlink(to);
    r = attack_done(link(path, to));
    if (r < 0)
        return r;
    r = attack_close(open(to, O_WRONLY | O_CLOEXEC));
    return unlink(to) < 0 ? -errno : r;
}

static int write_by_handle(const char *path)
{
    union {
        struct file_handle handle;
        char bytes[sizeof(struct file_handle) + MAX_HANDLE_SZ];
    } u = {.handle.handle_bytes = MAX_HANDLE_SZ};

    msp_autoclose int mount_fd =
        open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int mount_id;

    if (name_to_handle_at(AT_FDCWD, path, &u.handle, &mount_id, 0) < 0)
        return -errno;
    return attack_close(
        open_by_handle_at(mount_fd, &u.handle, O_WRONLY | O_CLOEXEC));
}

static int mount_overlay(const char *upper)
{
    static const char *const dirs[] = {"/tmp/attack", "/tmp/attack/low",
                                       "/tmp/attack/work", "/tmp/attack/top"};
    char options[1024];

    for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
        if (mkdir(dirs[i], 0700) < 0 && errno != EEXIST)
            return -errno;
    (void)snprintf(options, sizeof(options),
                   "lowerdir=/tmp/attack/low,upperdir=%s,"
                   "workdir=/tmp/attack/work",
                   upper);
    return attack_done(
        mount("overlay", "/tmp/attack/top", "overlay", 0, options));
}

/* Its directory is the upper one of an overlay, for this process alone. */
static int write_by_overlay(const char *path)
{
    char copy[512], to[600];
    int r;

    (void)snprintf(copy, sizeof(copy), "%s", path);
    if (unshare(CLONE_NEWNS) < 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return -errno;
    r = mount_overlay(dirname(copy));
    if (r < 0)
        return r;
    (void)snprintf(to, sizeof(to), "/tmp/attack/top%s", strrchr(path, '/'));
    return attack_close(open(to, O_WRONLY | O_CLOEXEC));
}

/* Nobody could replace it then; a file system may not have it, but was asked */
static int change_flags(const char *path)
{
    msp_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
    int flags = 0;

    if (fd < 0)
        return -errno;
    if (ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0 && errno != ENOTTY &&
        errno != EOPNOTSUPP)
        return -errno;
    return 0;
}

const struct attack attack_files[] = {
    {"write-by-link", write_by_link},
    {"write-by-handle", write_by_handle},
    {"write-by-overlay", write_by_overlay},
    {"change-flags", change_flags},
    {NULL, NULL},
};
