/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "loader/fdguard.h"

#include <errno.h>

#include <bpf/bpf.h>

static const char map_name[] = "msp_fd_socks";

int msp_fd_guard_set(struct msp_loader *loader, bool is_on)
{
    uint32_t *flags = &loader->meta->flags;
    int map_fd = msp_loader_map_fd(loader, map_name);
    int prog_fd = msp_loader_prog_fd(loader, MSP_PROG_FD_GUARD);

    if (!is_on) {
        (void)__atomic_and_fetch(flags, ~MSP_META_FD_GUARD, __ATOMIC_ACQ_REL);
        return 0;
    }
    /* before the flag: a socket has the program the map had when it came in */
    if (bpf_prog_attach(prog_fd, map_fd, BPF_SK_MSG_VERDICT, 0) < 0)
        return msp_loader_fail(loader, -errno, "attaching %s",
                               msp_prog_names[MSP_PROG_FD_GUARD]);
    (void)__atomic_or_fetch(flags, MSP_META_FD_GUARD, __ATOMIC_ACQ_REL);
    return 0;
}

int msp_fd_guard_check(const struct msp_loader *loader)
{
    struct bpf_prog_info info = {0};
    __u32 len = sizeof(info), id = 0, n = 1, flags = 0;
    int prog_fd = msp_loader_prog_fd(loader, MSP_PROG_FD_GUARD);

    if (bpf_obj_get_info_by_fd(prog_fd, &info, &len) < 0 ||
        bpf_prog_query(msp_loader_map_fd(loader, map_name), BPF_SK_MSG_VERDICT,
                       0, &flags, &id, &n) < 0)
        return -errno;
    return n == 1 && id == info.id;
}
