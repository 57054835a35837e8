/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Attacks on the kernel itself, below every program. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "attack.h"
#ifdef __x86_64__
#include <sys/io.h>
#endif

#include <msp/cleanup.h>

static int write_one(const char *path)
{
    msp_autoclose int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    return write(fd, "1\n", 2) < 0 ? -errno : 0;
}

/* Other machines have no ports. */
static int port_access(const char *unused)
{
    (void)unused;
#ifdef __x86_64__
    return attack_done(ioperm(0x80, 1, 1));
#else
    return -ENOSYS;
#endif
}

static int module_load(const char *path)
{
    msp_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
    int r;

    if (fd < 0)
        return -errno;
    r = attack_done((int)syscall(SYS_finit_module, fd, "", 0));
    return r == -EEXIST ? 0 : r;
}

/* The image in memory; EEXIST: it is loaded. */
static int module_image(const char *path)
{
    msp_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    void *image;
    int r;

    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    image = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (image == MAP_FAILED)
        return -errno;
    r = attack_done((int)syscall(SYS_init_module, image, st.st_size, ""));
    (void)munmap(image, (size_t)st.st_size);
    return r == -EEXIST ? 0 : r;
}

/* Nothing is loaded: EINVAL says that it came to its arguments. */
static int kexec_memory(const char *unused)
{
    int r = attack_done((int)syscall(SYS_kexec_load, 0UL, 0UL, NULL, 0x8000UL));

    (void)unused;
    return r == -EINVAL ? 0 : r;
}

/* Likewise: ENOEXEC says that it has read the file, which is no kernel. */
static int kexec_file(const char *path)
{
    msp_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
    int r;

    if (fd < 0)
        return -errno;
    r = attack_done((int)syscall(SYS_kexec_file_load, fd, -1, 1UL, "",
                                 4UL /* KEXEC_FILE_NO_INITRAMFS */));
    return r == -ENOEXEC ? 0 : r;
}

/* No register is 1 byte long: EINVAL says that one might have been written. */
static int msr_write(const char *path)
{
    msp_autoclose int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    return pwrite(fd, "", 1, 0x10) < 0 && errno != EINVAL ? -errno : 0;
}

/* The interrupt line, which nobody reads again, as it is. */
static int pci_write(const char *path)
{
    msp_autoclose int fd = open(path, O_RDWR | O_CLOEXEC);
    char line;

    if (fd < 0 || pread(fd, &line, 1, 0x3c) != 1)
        return -errno;
    return pwrite(fd, &line, 1, 0x3c) < 0 ? -errno : 0;
}

/* Whether /sys/power/disk says that who reads it may not. */
static int hibernation(const char *path)
{
    msp_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
    char text[256] = "";

    if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
        return -errno;
    return strstr(text, "[disabled]") ? -EPERM : 0;
}

const struct attack attack_kernel[] = {
    {"write-1", write_one},       {"ioperm", port_access},
    {"module", module_load},      {"module-image", module_image},
    {"kexec", kexec_memory},      {"kexec-file", kexec_file},
    {"msr-write", msr_write},     {"pci-write", pci_write},
    {"hibernation", hibernation}, {NULL, NULL},
};
