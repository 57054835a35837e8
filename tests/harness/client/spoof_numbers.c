/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A file that gets the device, inode and generation another one had: on ext4
 * the owner of a file may set its generation, and a FUSE server says what it
 * likes about a file on an anonymous device that was given back.
 *
 * Both learn the numbers, say they are ready, and go on when the executable's
 * file is gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/fuse.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "spoof.h"

#define TRIES        2000
#define FILE_NODE    2
#define FUSE_BYTES   (1 << 17)
#define FUSE_SECONDS 1000 /* attributes are good for */

/* --- ext4 ---------------------------------------------------------------- */

/* A new file of that number. @return descriptor, its path in ret_path */
static int take_inode(const char *dir, ino_t ino, char ret_path[4096])
{
    for (int i = 0; i < TRIES; i++) {
        struct stat st;
        int fd;

        (void)snprintf(ret_path, 4096, "%s/f%d", dir, i);
        fd = open(ret_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
        if (fd < 0 || fstat(fd, &st) < 0)
            spoof_die(ret_path);
        if (st.st_ino == ino)
            return fd;
        (void)close(fd);
    }
    errno = ENOENT;
    spoof_die("taking over the inode");
}

int spoof_takeover(int argc, char **argv)
{
    const char *app = argv[1];
    int generation = 0, fd = open(app, O_RDONLY | O_CLOEXEC);
    int in = open(argv[3], O_RDONLY | O_CLOEXEC);
    char path[4096];
    struct stat st;

    (void)argc;
    if (fd < 0 || in < 0 || fstat(fd, &st) < 0 ||
        ioctl(fd, FS_IOC_GETVERSION, &generation) < 0)
        spoof_die(app);
    (void)close(fd);
    spoof_hold();
    fd = take_inode(argv[2], st.st_ino, path);
    spoof_copy_bytes(in, fd);
    if (ioctl(fd, FS_IOC_SETVERSION, &generation) < 0)
        spoof_die("FS_IOC_SETVERSION");
    (void)close(fd);
    spoof_become(path, argv + 4);
}

/* --- FUSE ---------------------------------------------------------------- */

struct served {
    const char *bytes;
    size_t len;
    uint64_t ino;
    uint64_t generation;
};

static struct fuse_attr attr_of(const struct served *served, bool is_file)
{
    return (struct fuse_attr){
        .ino = is_file ? served->ino : FUSE_ROOT_ID,
        .mode = 0755 | (is_file ? S_IFREG : S_IFDIR),
        .size = is_file ? served->len : 0,
        .nlink = 1,
        .uid = getuid(),
        .gid = getgid(),
        .blksize = 4096,
    };
}

/* A reply; what follows the head is `out`. */
static void reply(int fd, uint64_t unique, int error, const void *out,
                  size_t len)
{
    static struct {
        struct fuse_out_header head;
        char bytes[FUSE_BYTES];
    } packet;

    packet.head = (struct fuse_out_header){
        .len = (uint32_t)(sizeof(packet.head) + len),
        .error = error,
        .unique = unique,
    };
    memcpy(packet.bytes, out, len);
    if (write(fd, &packet, packet.head.len) < 0 && errno != ENOENT)
        spoof_die("answering FUSE");
}

static void serve_read(int fd, const struct served *served, uint64_t unique,
                       const struct fuse_read_in *in)
{
    size_t len = 0;

    if (in->offset < served->len)
        len = served->len - in->offset;
    if (len > in->size)
        len = in->size;
    reply(fd, unique, 0, len ? served->bytes + in->offset : "", len);
}

static void serve_one(int fd, const struct served *served,
                      const struct fuse_in_header *head)
{
    const struct fuse_init_out init = {
        .major = FUSE_KERNEL_VERSION, .minor = 31, .max_write = 65536};
    const struct fuse_entry_out entry = {
        .nodeid = FILE_NODE,
        .generation = served->generation,
        .entry_valid = FUSE_SECONDS,
        .attr_valid = FUSE_SECONDS,
        .attr = attr_of(served, true),
    };
    const struct fuse_attr_out attr = {
        .dummy = 0,
        .attr_valid = FUSE_SECONDS,
        .attr = attr_of(served, head->nodeid == FILE_NODE),
    };
    const struct fuse_open_out opened = {.fh = 0};

    switch (head->opcode) {
    case FUSE_INIT:
        reply(fd, head->unique, 0, &init, sizeof(init));
        return;
    case FUSE_LOOKUP:
        reply(fd, head->unique, 0, &entry, sizeof(entry));
        return;
    case FUSE_GETATTR:
        reply(fd, head->unique, 0, &attr, sizeof(attr));
        return;
    case FUSE_OPEN:
    case FUSE_OPENDIR:
        reply(fd, head->unique, 0, &opened, sizeof(opened));
        return;
    case FUSE_READ:
        serve_read(fd, served, head->unique, (const void *)(head + 1));
        return;
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT:
        return; /* no answer is wanted */
    case FUSE_FLUSH:
    case FUSE_RELEASE:
        reply(fd, head->unique, 0, "", 0);
        return;
    default:
        reply(fd, head->unique, -ENOSYS, "", 0);
    }
}

static noreturn void serve(int fd, const struct served *served)
{
    static _Alignas(struct fuse_in_header) char request[FUSE_BYTES];

    for (;;) {
        ssize_t n = read(fd, request, sizeof(request));

        if (n >= (ssize_t)sizeof(struct fuse_in_header))
            serve_one(fd, served, (const void *)request);
        else if (n < 0 && errno != EINTR && errno != ENOENT)
            _exit(0); /* unmounted */
    }
}

static void load(const char *path, struct served *ret)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    char *bytes;

    if (fd < 0 || fstat(fd, &st) < 0)
        spoof_die(path);
    bytes = malloc((size_t)st.st_size);
    if (!bytes || read(fd, bytes, (size_t)st.st_size) != st.st_size)
        spoof_die(path);
    (void)close(fd);
    ret->bytes = bytes;
    ret->len = (size_t)st.st_size;
}

/* The kernel's numbers of a file on tmpfs. @return its device's minor */
static unsigned int learn(const char *path, struct served *ret)
{
    struct {
        struct file_handle head;
        uint32_t word[MAX_HANDLE_SZ / sizeof(uint32_t)];
    } handle = {.head.handle_bytes = MAX_HANDLE_SZ};
    struct stat st;
    int mount_id;

    if (stat(path, &st) < 0 ||
        name_to_handle_at(AT_FDCWD, path, &handle.head, &mount_id, 0) < 0)
        spoof_die(path);
    ret->ino = st.st_ino;
    ret->generation = handle.word[0];
    return minor(st.st_dev);
}

static unsigned int minor_of(const char *dir)
{
    struct statx st;

    /* a FUSE root would have to be asked for */
    if (statx(AT_FDCWD, dir, AT_STATX_DONT_SYNC, STATX_INO, &st) < 0)
        spoof_die(dir);
    return st.stx_dev_minor;
}

/* Takes the free anonymous devices below one, so that it is next. */
static void fill_below(const char *dir, unsigned int wanted)
{
    char hole[4096];

    for (int i = 0; i < TRIES; i++) {
        (void)snprintf(hole, sizeof(hole), "%s/h%d", dir, i);
        if (mkdir(hole, 0755) < 0 || mount("tmpfs", hole, "tmpfs", 0, NULL) < 0)
            spoof_die(hole);
        if (minor_of(hole) <= wanted)
            continue;
        (void)umount(hole);
        return;
    }
}

/* Mounts until the device is the one. @return the server's descriptor */
static int take_device(const char *dir, unsigned int wanted)
{
    for (int i = 0; i < TRIES; i++) {
        int fd = open(getenv("MSP_FUSE"), O_RDWR | O_CLOEXEC);
        char options[128];

        (void)snprintf(options, sizeof(options),
                       "fd=%d,rootmode=040000,user_id=%u,group_id=%u", fd,
                       getuid(), getgid());
        if (fd < 0 ||
            mount("spoof", dir, "fuse", MS_NOSUID | MS_NODEV, options) < 0)
            spoof_die("mounting FUSE");
        if (minor_of(dir) == wanted)
            return fd;
        (void)umount2(dir, MNT_DETACH);
        (void)close(fd);
    }
    errno = ENODEV;
    spoof_die("taking over the device");
}

/* The device of a FUSE mount is the caller's to ask for: it is mode 0666. */
int spoof_fuse(int argc, char **argv)
{
    const char *app = argv[1], *dir = argv[2];
    const char *name = strrchr(app, '/');
    struct served served = {0};
    unsigned int wanted = learn(app, &served);
    char at[4096], path[8192];
    pid_t pid;
    int fd;

    (void)argc;
    load(argv[3], &served);
    spoof_unshare(CLONE_NEWNS);
    if (mount("tmpfs", dir, "tmpfs", 0, NULL) < 0)
        spoof_die("tmpfs");
    (void)snprintf(at, sizeof(at), "%s/fuse", dir);
    if (mkdir(at, 0755) < 0)
        spoof_die(at);
    fill_below(dir, wanted);
    spoof_hold();
    fd = take_device(at, wanted);
    pid = fork();
    if (pid == 0)
        serve(fd, &served);
    (void)close(fd);
    (void)snprintf(path, sizeof(path), "%s%s", at, name);
    spoof_become(path, argv + 4);
}
