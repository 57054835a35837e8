/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "netns/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>

#include <openssl/evp.h>

#include <msp/cleanup.h>

#include "base/caps.h"
#include "netns/walk.h"

enum {
    READ_BYTES = 1 << 16,
    WRITER_TRIES = 40, /* how long one who writes is waited for */
    WRITER_MS = 50
};

/* --- the root directory ------------------------------------------------- */

/*
 * mspd refuses to start unless its root is pid 1's, as the kernel told it, and
 * we are its child. Where /proc/1 can be read, that is seen here once more.
 */
static int own_root(void)
{
    msp_autoclose int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct stat own, first;

    if (fd < 0 || fstat(fd, &own) < 0)
        return -errno;
    if (stat("/proc/1/root", &first) < 0) {
        if (errno != EACCES && errno != EPERM && errno != ENOENT)
            return -errno;
    } else if (own.st_dev != first.st_dev || own.st_ino != first.st_ino) {
        /* fail closed: paths would mean other files than the host's */
        return -EXDEV;
    }
    return TAKE_FD(fd);
}

int msp_file_root(uint32_t pid)
{
    msp_autoclose int proc_fd = -1;
    struct statfs fs;
    char path[32];
    int fd;

    if (!pid)
        return own_root();
    (void)snprintf(path, sizeof(path), "/proc/%u", pid);
    /* holds on to this process: its number may become another one's */
    proc_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (proc_fd < 0)
        return errno == ENOENT ? -ESRCH : -errno;
    if (fstatfs(proc_fd, &fs) < 0)
        return -errno;
    if (fs.f_type != PROC_SUPER_MAGIC)
        return -EINVAL;
    fd = openat(proc_fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? -ESRCH : -errno;
    return fd;
}

/* --- the file ----------------------------------------------------------- */

int msp_file_open(int root_fd, const char *path)
{
    struct open_how how = {
        .flags = O_PATH | O_CLOEXEC,
        .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
    };
    msp_autoclose int fd =
        (int)syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    return TAKE_FD(fd);
}

/* Not in linux/magic.h before 6.8. @source fs/xfs/libxfs/xfs_format.h */
#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif

/* --- what it contains --------------------------------------------------- */

static void free_md(EVP_MD_CTX **ctx)
{
    EVP_MD_CTX_free(*ctx);
}

static int hash(int fd, uint8_t ret_sha256[32])
{
    msp_cleanup(free_md) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    static uint8_t bytes[READ_BYTES];
    ssize_t n;

    if (!ctx || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1)
        return -EIO;
    for (;;) {
        n = read(fd, bytes, sizeof(bytes));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        if (EVP_DigestUpdate(ctx, bytes, (size_t)n) != 1)
            return -EIO;
    }
    if (n < 0)
        return -errno;
    return EVP_DigestFinal_ex(ctx, ret_sha256, NULL) == 1 ? 0 : -EIO;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
           a->st_size == b->st_size && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
           a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/*
 * Whether a write after this moves the ctime for sure, of root's file. A shared mapping whose
 * page is dirty can be written on without a trace until the page is written
 * back, so that is done here; tmpfs never writes back and leaves no trace at
 * all, so there only root may be able to write.
 * @return 0; MSP_OPEN_UNSURE, and why
 */
static uint32_t doubt_trace(int fd, const struct stat *st)
{
    struct statfs fs;

    if (fstatfs(fd, &fs) < 0)
        return MSP_OPEN_UNSURE;
    if (fs.f_type == TMPFS_MAGIC)
        return st->st_mode & (S_IWGRP | S_IWOTH)
                   ? MSP_OPEN_UNSURE | MSP_OPEN_SHARED
                   : 0;
    /* -EINVAL: a file system without write-back, hence without writes */
    return fdatasync(fd) == 0 || errno == EINVAL ? 0 : MSP_OPEN_UNSURE;
}

/*
 * Whether nobody can be in the middle of a write: a write stamps the ctime at
 * its beginning and its bytes may come much later, and a descriptor or mapping
 * from before a chmod still writes. A read lease is given only while nobody
 * has the file open for writing, to its owner, who for us is root.
 * @return 0; MSP_OPEN_UNSURE, and why
 */
static uint32_t doubt_writer(int fd)
{
    const struct timespec pause = {.tv_nsec = WRITER_MS * 1000000L};

    for (int i = 0; i < WRITER_TRIES; i++) {
        if (fcntl(fd, F_SETLEASE, F_RDLCK) == 0)
            return fcntl(fd, F_SETLEASE, F_UNLCK) == 0 ? 0 : MSP_OPEN_UNSURE;
        if (errno != EAGAIN)
            return MSP_OPEN_UNSURE; /* fail closed: it cannot be told */
        (void)nanosleep(&pause, NULL);
    }
    return MSP_OPEN_UNSURE | MSP_OPEN_WRITER;
}

int msp_file_hash(int path_fd, uint8_t ret_sha256[32], uint32_t *ret_flags)
{
    msp_autoclose int fd = -1;
    struct stat before, after;
    uint8_t sha256[32];
    uint32_t doubt;
    char path[32];
    int r;

    /* nothing but a regular file is ever really opened: no device, no FIFO */
    if (fstat(path_fd, &before) < 0)
        return -errno;
    if (!S_ISREG(before.st_mode))
        return -EINVAL;
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", path_fd);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    /* another owner may write without being seen, and has no lease */
    doubt = before.st_uid == 0 ? doubt_writer(fd)
                               : MSP_OPEN_UNSURE | MSP_OPEN_NOT_ROOTS;
    /* from here on every write moves the ctime */
    if (fstat(fd, &before) < 0)
        return -errno;
    if (!doubt)
        doubt = doubt_trace(fd, &before);
    r = hash(fd, sha256);
    if (r < 0)
        return r;
    if (fstat(fd, &after) < 0)
        return -errno;
    memcpy(ret_sha256, sha256, sizeof(sha256));
    *ret_flags = MSP_OPEN_HASH | doubt |
                 (is_same(&before, &after) ? 0 : MSP_OPEN_UNSURE);
    return 0;
}

/*
 * Whether reading a file can be had for the asking: no server or user's process
 * that could keep silent is behind it.
 */
static bool is_local(int fd)
{
    struct statfs fs;

    if (fstatfs(fd, &fs) < 0)
        return false;
    switch ((unsigned long)fs.f_type) {
    case EXT4_SUPER_MAGIC:
    case XFS_SUPER_MAGIC:
    case F2FS_SUPER_MAGIC:
    case EROFS_SUPER_MAGIC_V1:
    case SQUASHFS_MAGIC:
    case TMPFS_MAGIC:
        return true;
    default:
        return false;
    }
}

uint32_t msp_file_kind(int path_fd)
{
    char path[32], first[2] = "";

    if (!is_local(path_fd))
        return 0;
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", path_fd);
    msp_autoclose int fd =
        open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 || read(fd, first, sizeof(first)) != sizeof(first))
        return 0;
    return first[0] == '#' && first[1] == '!' ? MSP_OPEN_SCRIPT : 0;
}

/* The root directory that a request means. @param ret_path within it */
static int root_of(const struct msp_child_open *request, const char *path,
                   const char **ret_path)
{
    const struct open_how how = {
        .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
        .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
    };
    msp_autoclose int fd = msp_file_root(request->pid);
    int below;

    *ret_path = path;
    if (fd < 0 || !(request->flags & MSP_OPEN_BELOW))
        return fd < 0 ? fd : TAKE_FD(fd);
    *ret_path = path + strlen(path) + 1;
    below = (int)syscall(SYS_openat2, fd, path, &how, sizeof(how));
    return below < 0 ? -errno : below;
}

int msp_file_work(struct msp_child_open *request, int watch_fd)
{
    static const int keep[] = {CAP_DAC_READ_SEARCH};
    static char path[sizeof(request->path)];
    const uint32_t asked = request->flags;
    msp_autoclose int root_fd = -1;
    msp_autoclose int fd = -1;
    const char *file;
    int r;

    memcpy(path, request->path, sizeof(path));
    root_fd = root_of(request, path, &file);
    request->flags = 0;
    r = root_fd < 0 ? root_fd : msp_caps_shrink(keep, ARRAY_SIZE(keep));
    if (r == 0 && asked & MSP_OPEN_WALK)
        msp_walk(root_fd, watch_fd, file, request);
    if (r == 0) {
        fd = msp_file_open(root_fd, file);
        r = fd < 0 ? fd : 0;
    }
    if (r == 0 && asked & MSP_OPEN_HASH)
        r = msp_file_hash(fd, request->sha256, &request->flags);
    else if (r == 0)
        request->flags |= msp_file_kind(fd);
    request->status = r;
    return r < 0 ? -1 : TAKE_FD(fd);
}
