/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Other files under the same path, as any user can have them. */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "spoof.h"

/* sys/mount.h has the same enums as linux/mount.h and cannot be had with it */
int mount(const char *source, const char *target, const char *type,
          unsigned long flags, const void *data);
int umount2(const char *target, int flags);

#define MSP_BIND   4096 /* MS_BIND */
#define MSP_DETACH 2    /* MNT_DETACH */

static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        spoof_die(path);
    (void)close(fd);
}

void spoof_unshare(int flags)
{
    unsigned int uid = getuid(), gid = getgid();
    char map[64];

    if (unshare(CLONE_NEWUSER | flags) < 0)
        spoof_die("unshare");
    put("/proc/self/setgroups", "deny");
    (void)snprintf(map, sizeof(map), "%u %u 1", uid, uid);
    put("/proc/self/uid_map", map);
    (void)snprintf(map, sizeof(map), "%u %u 1", gid, gid);
    put("/proc/self/gid_map", map);
}

/* Every directory on the way to a relative path. */
static void make_dirs(int dir, const char *path)
{
    char copy[4096];

    (void)snprintf(copy, sizeof(copy), "%s", path);
    for (char *slash = strchr(copy, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdirat(dir, copy, 0755) < 0 && errno != EEXIST)
            spoof_die(copy);
        *slash = '/';
    }
}

/* The directory of a file, in a buffer of its own. */
static const char *dir_of(const char *path)
{
    static char dir[4096];

    (void)snprintf(dir, sizeof(dir), "%s", path);
    *strrchr(dir, '/') = '\0';
    return dir;
}

/* An overlay over the file's directory, with ours on top. */
static void mount_overlay(const char *from, const char *path)
{
    char options[2048], upper[512], work[512];
    int dir;

    (void)snprintf(upper, sizeof(upper), "%.500s.up", from);
    (void)snprintf(work, sizeof(work), "%.500s.work", from);
    if (mkdir(upper, 0755) < 0 || mkdir(work, 0755) < 0)
        spoof_die(upper);
    dir = open(upper, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        spoof_die(upper);
    spoof_copy(from, dir, strrchr(path, '/') + 1);
    (void)close(dir);
    (void)snprintf(options, sizeof(options),
                   "lowerdir=%.512s,upperdir=%s,workdir=%s,userxattr",
                   dir_of(path), upper, work);
    if (mount("overlay", dir_of(path), "overlay", 0, options) < 0)
        spoof_die("overlay");
}

int spoof_mount(int argc, char **argv)
{
    const char *from = argv[2], *path = argv[3];

    (void)argc;
    spoof_unshare(CLONE_NEWNS);
    if (strcmp(argv[1], "bind") == 0) {
        if (mount(from, path, NULL, MSP_BIND, NULL) < 0)
            spoof_die("bind mount");
    } else if (strcmp(argv[1], "overlay") == 0) {
        mount_overlay(from, path);
    } else {
        if (mount("tmpfs", dir_of(path), "tmpfs", 0, "mode=0755") < 0)
            spoof_die("tmpfs");
        spoof_copy(from, AT_FDCWD, path);
    }
    spoof_become(path, argv + 3);
}

/*
 * A root of its own on a tmpfs that nothing is mounted on any more, so that
 * every reader of the path stops at its top.
 */
int spoof_chroot(int argc, char **argv)
{
    const char *dir = argv[1], *from = argv[2], *path = argv[3];
    int root;

    (void)argc;
    spoof_unshare(CLONE_NEWNS);
    if (mount("tmpfs", dir, "tmpfs", 0, "mode=0755") < 0)
        spoof_die("tmpfs");
    root = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        spoof_die(dir);
    make_dirs(root, path + 1);
    spoof_copy(from, root, path + 1);
    if (umount2(dir, MSP_DETACH) < 0 || fchdir(root) < 0 || chroot(".") < 0)
        spoof_die("chroot");
    spoof_become(path, argv + 3);
}

static int new_tmpfs(void)
{
    int context = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
    int fd;

    if (context < 0 ||
        syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        spoof_die("fsopen");
    fd = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0);
    if (fd < 0)
        spoof_die("fsmount");
    return fd;
}

int spoof_detached(int argc, char **argv)
{
    const char *dir = argv[2], *from = argv[3], *path = argv[4];
    int root;

    (void)argc;
    spoof_unshare(CLONE_NEWNS);
    if (strcmp(argv[1], "fsmount") == 0) {
        root = new_tmpfs();
        make_dirs(root, path + 1);
        spoof_copy(from, root, path + 1);
    } else {
        root = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (root < 0)
            spoof_die(dir);
        make_dirs(root, path + 1);
        spoof_copy(from, root, path + 1);
        (void)close(root);
        root = (int)syscall(SYS_open_tree, AT_FDCWD, dir,
                            OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        if (root < 0)
            spoof_die("open_tree");
    }
    (void)syscall(SYS_execveat, root, path + 1, argv + 4, environ, 0);
    spoof_die("execveat");
}
