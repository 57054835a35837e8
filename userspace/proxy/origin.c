/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "origin.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include <msp/child.h>
#include <msp/cleanup.h>

static int check_map(int fd, uint32_t type, uint32_t value_bytes,
                     uint32_t entries_min)
{
    struct bpf_map_info info = {0};
    uint32_t len = sizeof(info);

    if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
        return -errno;
    if (info.type != type || info.value_size != value_bytes ||
        info.key_size != sizeof(uint32_t) || info.max_entries < entries_min)
        return -EINVAL;
    return 0;
}

static int check_prog(int fd)
{
    struct bpf_prog_info info = {0};
    uint32_t len = sizeof(info);

    if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
        return -errno;
    if (info.type != BPF_PROG_TYPE_SYSCALL ||
        strncmp(info.name, "msp_authorize", sizeof(info.name)) != 0)
        return -EINVAL;
    return 0;
}

int msp_origin_check(uint32_t slot, const char **reterr_which)
{
    const struct {
        const char *name;
        int fd;
        uint32_t type;
        uint32_t value_bytes;
        uint32_t entries_min;
    } maps[] = {
        {"own_sk", MSP_FD_PROXY_OWN_SK, BPF_MAP_TYPE_SK_STORAGE,
         sizeof(uint32_t), 0},
        {"sk_verdict", MSP_FD_PROXY_VERDICT, BPF_MAP_TYPE_SK_STORAGE,
         sizeof(struct msp_mark), 0},
        {"requests", MSP_FD_PROXY_REQUESTS, BPF_MAP_TYPE_ARRAY,
         sizeof(struct msp_request), slot + 1},
        {"meta", MSP_FD_PROXY_META, BPF_MAP_TYPE_ARRAY, sizeof(struct msp_meta),
         1},
    };

    int r;

    for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
        r = check_map(maps[i].fd, maps[i].type, maps[i].value_bytes,
                      maps[i].entries_min);
        if (r < 0) {
            /* fail closed: a wrong table is no table */
            *reterr_which = maps[i].name;
            return r;
        }
    }
    r = check_prog(MSP_FD_PROXY_AUTHORIZE);
    if (r < 0)
        *reterr_which = "authorize"; /* fail closed: as above */
    return r;
}

int msp_origin_map_request(uint32_t slot, struct msp_request **ret_page)
{
    void *page;

    /* fail closed: the map is laid out in 4 KiB rows, mmap in pages */
    if (sysconf(_SC_PAGESIZE) != MSP_REQUEST_PAGE_BYTES)
        return -EOPNOTSUPP;
    page =
        mmap(NULL, MSP_REQUEST_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
             MSP_FD_PROXY_REQUESTS, (off_t)slot * MSP_REQUEST_PAGE_BYTES);
    if (page == MAP_FAILED)
        return -errno;
    (void)close(MSP_FD_PROXY_REQUESTS);
    *ret_page = page;
    return 0;
}

int msp_origin_map_meta(const struct msp_meta **ret_meta)
{
    void *page = mmap(NULL, sizeof(struct msp_meta), PROT_READ, MAP_SHARED,
                      MSP_FD_PROXY_META, 0);

    if (page == MAP_FAILED)
        return -errno;
    (void)close(MSP_FD_PROXY_META);
    *ret_meta = page;
    return 0;
}

int msp_origin_mark(int fd, struct msp_mark *ret_mark)
{
    if (bpf_map_lookup_elem(MSP_FD_PROXY_VERDICT, &fd, ret_mark) < 0)
        return -errno;
    return 0;
}

int msp_origin_own(int fd)
{
    uint32_t own = MSP_OWN_UPSTREAM;

    if (bpf_map_update_elem(MSP_FD_PROXY_OWN_SK, &fd, &own, BPF_ANY) < 0)
        return -errno;
    return 0;
}
