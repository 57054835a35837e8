/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "netns/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include <msp/cleanup.h>

#ifndef XFS_SUPER_MAGIC /* of a kernel before 6.8 */
#define XFS_SUPER_MAGIC 0x58465342
#endif

enum {
    LINKS_MAX = 40, /* as the kernel follows */
    BELOW = IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE,
    ITSELF = IN_DELETE_SELF | IN_MOVE_SELF,
    CONTENTS = IN_CLOSE_WRITE | IN_ATTRIB, /* where the file itself is */
};

struct walk {
    int root_fd;
    int watch_fd;
    struct msp_child_open *reply;
    size_t n_text; /* of reply->path */
    int n_links;
    char real[PATH_MAX]; /* so far, without links; "" = the root directory */
    char rest[PATH_MAX]; /* still to be looked up */
};

/*
 * Whether inotify tells all that happens there, and watching can never hang:
 * on a network or in user space it is not so.
 */
static bool is_told(const struct statfs *fs)
{
    switch ((unsigned long)fs->f_type) {
    case EXT4_SUPER_MAGIC:
    case XFS_SUPER_MAGIC:
    case F2FS_SUPER_MAGIC:
    case BTRFS_SUPER_MAGIC:
    case EROFS_SUPER_MAGIC_V1:
    case SQUASHFS_MAGIC:
    case TMPFS_MAGIC:
    case RAMFS_MAGIC:
    case OVERLAYFS_SUPER_MAGIC:
        return true;
    default:
        return false;
    }
}

/* @return wd; negative errno */
static int watch(const struct walk *walk, int dir_fd, bool is_last)
{
    uint32_t mask = BELOW | ITSELF | (is_last ? CONTENTS : 0);
    struct statfs fs;
    char path[32];
    int wd;

    if (fstatfs(dir_fd, &fs) < 0)
        return -errno;
    if (!is_told(&fs))
        return -EOPNOTSUPP;
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", dir_fd);
    /* the directory may be the last one of another path */
    wd = inotify_add_watch(walk->watch_fd, path,
                           mask | IN_ONLYDIR | IN_MASK_ADD);
    return wd < 0 ? -errno : wd;
}

/* Notes the name `name` in the directory `real`. @return whether it fits */
static bool note(struct walk *walk, int wd, const char *name)
{
    struct msp_child_open *reply = walk->reply;
    size_t room = sizeof(reply->path) - walk->n_text;
    int n =
        snprintf(reply->path + walk->n_text, room, "%s/%s", walk->real, name);

    if (n < 0 || (size_t)n >= room || reply->n_hops == MSP_EXE_HOPS_MAX)
        return false;
    reply->hop[reply->n_hops++] =
        (struct msp_child_hop){.wd = wd, .off = (uint32_t)walk->n_text};
    walk->n_text += (size_t)n + 1;
    return true;
}

/* Takes the next name off what is left. @return 1; 0 nothing; negative errno */
static int next_name(struct walk *walk, char ret_name[NAME_MAX + 1],
                     bool *ret_is_last)
{
    const char *rest = walk->rest + strspn(walk->rest, "/");
    size_t len = strcspn(rest, "/");

    if (!len)
        return 0;
    if (len > NAME_MAX)
        return -ENAMETOOLONG;
    memcpy(ret_name, rest, len);
    ret_name[len] = '\0';
    rest += len;
    rest += strspn(rest, "/");
    *ret_is_last = !*rest;
    memmove(walk->rest, rest, strlen(rest) + 1);
    return 1;
}

/* Puts a link's target in front of what is left. @return 1; negative errno */
static int follow(struct walk *walk, int dir_fd, const char *name)
{
    static char target[PATH_MAX], rest[PATH_MAX];
    ssize_t len = readlinkat(dir_fd, name, target, sizeof(target) - 1);
    int n;

    if (len < 0)
        return -errno;
    target[len] = '\0';
    if (++walk->n_links > LINKS_MAX)
        return -ELOOP;
    if (target[0] == '/')
        walk->real[0] = '\0';
    memcpy(rest, walk->rest, sizeof(rest));
    n = snprintf(walk->rest, sizeof(walk->rest), "%s/%s", target, rest);
    return n < 0 || (size_t)n >= sizeof(walk->rest) ? -ENAMETOOLONG : 1;
}

static void leave(struct walk *walk)
{
    char *slash = strrchr(walk->real, '/');

    if (slash)
        *slash = '\0';
}

/* @return 1; -ENAMETOOLONG */
static int enter(struct walk *walk, const char *name)
{
    size_t len = strlen(walk->real);
    int n = snprintf(walk->real + len, sizeof(walk->real) - len, "/%s", name);

    return n < 0 || (size_t)n >= sizeof(walk->real) - len ? -ENAMETOOLONG : 1;
}

/* @return O_PATH descriptor of `real`; negative errno */
static int open_dir(const struct walk *walk)
{
    struct open_how how = {
        .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
        .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS,
    };
    const char *real = walk->real[0] ? walk->real : "/";
    int fd = (int)syscall(SYS_openat2, walk->root_fd, real, &how, sizeof(how));

    return fd < 0 ? -errno : fd;
}

/* Looks one name up. @return 1 go on; 0 it ends here; negative errno */
static int step(struct walk *walk)
{
    char name[NAME_MAX + 1];
    msp_autoclose int dir_fd = -1;
    bool is_last = false;
    struct stat st;
    int r;

    r = next_name(walk, name, &is_last);
    if (r <= 0 || msp_streq(name, "."))
        return r;
    if (msp_streq(name, "..")) {
        leave(walk);
        return 1;
    }
    dir_fd = open_dir(walk);
    if (dir_fd < 0)
        return 0; /* whatever it became since is told */
    if (!note(walk, watch(walk, dir_fd, is_last), name))
        return -ENAMETOOLONG;
    /* watched: from here on a change of this name is told */
    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    if (S_ISLNK(st.st_mode))
        return follow(walk, dir_fd, name);
    return S_ISDIR(st.st_mode) ? enter(walk, name) : 0;
}

void msp_walk(int root_fd, int watch_fd, const char *path,
              struct msp_child_open *reply)
{
    static struct walk walk;
    int r;

    walk =
        (struct walk){.root_fd = root_fd, .watch_fd = watch_fd, .reply = reply};
    reply->flags |= MSP_OPEN_WALK;
    reply->n_hops = 0;
    r = snprintf(walk.rest, sizeof(walk.rest), "%s", path);
    r = r < 0 || (size_t)r >= sizeof(walk.rest) ? -ENAMETOOLONG : 1;
    while (r > 0)
        r = step(&walk);
    if (r == -ENAMETOOLONG)
        reply->flags |= MSP_OPEN_CUT;
}
