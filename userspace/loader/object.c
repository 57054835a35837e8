/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "loader/object.h"

#include <errno.h>
#include <stdio.h>

#include <bpf/bpf.h>

#include <msp/cleanup.h>

static const char *const words[MSP_OBJECT_COUNT] = {
    [MSP_OBJECT_NONE] = "no BPF object",
    [MSP_OBJECT_MAP] = "a map",
    [MSP_OBJECT_PROG] = "a program",
    [MSP_OBJECT_LINK] = "a link",
};

/* Some kernels write the names with a dash, others with an underscore. */
static enum msp_object kind_of(int fd)
{
    static const char *const ends[MSP_OBJECT_COUNT] = {
        [MSP_OBJECT_MAP] = "map",
        [MSP_OBJECT_PROG] = "prog",
        [MSP_OBJECT_LINK] = "link",
    };
    static const char prefix[] = "anon_inode:bpf";
    char path[64], target[64] = "";

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (readlink(path, target, sizeof(target) - 1) < 0 ||
        strncmp(target, prefix, sizeof(prefix) - 1) != 0 ||
        !target[sizeof(prefix) - 1])
        return MSP_OBJECT_NONE;
    for (int kind = MSP_OBJECT_NONE + 1; kind < MSP_OBJECT_COUNT; kind++)
        if (msp_streq(target + sizeof(prefix), ends[kind]))
            return (enum msp_object)kind;
    return MSP_OBJECT_NONE;
}

static int name_of(int fd, enum msp_object kind,
                   char ret_name[BPF_OBJ_NAME_LEN])
{
    struct bpf_map_info map = {0};
    struct bpf_prog_info prog = {0};
    __u32 len = kind == MSP_OBJECT_MAP ? sizeof(map) : sizeof(prog);
    void *info = kind == MSP_OBJECT_MAP ? (void *)&map : (void *)&prog;

    if (bpf_obj_get_info_by_fd(fd, info, &len) < 0)
        return -errno;
    memcpy(ret_name, kind == MSP_OBJECT_MAP ? map.name : prog.name,
           BPF_OBJ_NAME_LEN);
    ret_name[BPF_OBJ_NAME_LEN - 1] = '\0';
    return 0;
}

int msp_object_open(struct msp_loader *loader, const char *path,
                    enum msp_object kind, const char *name)
{
    msp_autoclose int fd = bpf_obj_get(path);
    char found[BPF_OBJ_NAME_LEN] = "";
    enum msp_object is;

    if (fd < 0)
        return msp_loader_fail(loader, -errno, "opening %s", path);
    is = kind_of(fd);
    if (is != kind)
        return msp_loader_fail(loader, -EUCLEAN,
                               "%s is %s, not %s; nothing was changed", path,
                               words[is], words[kind]);
    if (name && kind != MSP_OBJECT_LINK) {
        int r = name_of(fd, kind, found);

        if (r < 0)
            return msp_loader_fail(loader, r, "reading %s", path);
        if (strncmp(found, name, BPF_OBJ_NAME_LEN - 1) != 0)
            return msp_loader_fail(loader, -EUCLEAN,
                                   "%s is %s named \"%s\"; nothing was changed",
                                   path, words[is], found);
    }
    return TAKE_FD(fd);
}
