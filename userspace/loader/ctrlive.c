/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "loader/ctrlive.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include <bpf/bpf.h>

#include <msp/cleanup.h>

#include "loader/iter.h"
#include "loader/tables.h"

void msp_ctr_rows_done(struct msp_ctr_rows *rows)
{
    free(rows->top);
    free(rows->row);
    *rows = (struct msp_ctr_rows){0};
}

/* The clock goes on over a restart; a row takes longer than a nanosecond. */
uint64_t msp_ctr_stamp(void)
{
    static uint64_t last;
    struct timespec now;
    uint64_t ns;

    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    last = ns > last ? ns : last + 1;
    return last;
}

static int open_rows(const struct msp_loader *loader)
{
    uint64_t generation = msp_tables_live(loader).generation;
    char path[MSP_PIN_PATH_BYTES];
    int fd;

    if (!generation)
        return -ENOENT;
    msp_pins_gen_path(&loader->pins, generation, false, "msp_ctr_ids", path);
    fd = bpf_obj_get(path);
    return fd < 0 ? -errno : fd;
}

static int delete_row(int fd, const void *key)
{
    return bpf_map_delete_elem(fd, key) < 0 && errno != ENOENT ? -errno : 0;
}

int msp_ctr_live_set(const struct msp_loader *loader, uint64_t top,
                     const struct msp_idset *set)
{
    msp_autoclose int fd = open_rows(loader);
    struct msp_ctr_row row;

    if (fd < 0)
        return fd;
    if (!set)
        return delete_row(fd, &top);
    row = (struct msp_ctr_row){.set = *set, .stamp = msp_ctr_stamp()};
    return bpf_map_update_elem(fd, &top, &row, BPF_ANY) < 0 ? -errno : 0;
}

int msp_ctr_name_set(const struct msp_loader *loader, uint64_t top,
                     const struct msp_ctr_name *name)
{
    const struct msp_ctr_key key = {.prefixlen = MSP_CTR_KEY_BITS,
                                    .cgroup_id = top};
    int fd = msp_loader_map_fd(loader, "msp_container");

    if (!name)
        return delete_row(fd, &key);
    return bpf_map_update_elem(fd, &key, name, BPF_ANY) < 0 ? -errno : 0;
}

int msp_ctr_top_set(const struct msp_loader *loader, uint64_t top, bool is_top)
{
    int fd = msp_loader_map_fd(loader, "msp_ctr_cgroup");
    struct msp_ctr_ref ref = {top}, found;

    if (!is_top)
        return delete_row(fd, &top);
    /* a row that is right is not written again: connects read it */
    if (bpf_map_lookup_elem(fd, &top, &found) == 0 && found.top == top)
        return 0;
    return bpf_map_update_elem(fd, &top, &ref, BPF_ANY) < 0 ? -errno : 0;
}

uint64_t msp_ctr_top_of(const struct msp_loader *loader, uint64_t cgroup_id)
{
    int fd = msp_loader_map_fd(loader, "msp_ctr_cgroup");
    struct msp_ctr_ref ref;

    return bpf_map_lookup_elem(fd, &cgroup_id, &ref) < 0 ? 0 : ref.top;
}

int msp_ctr_fill(struct msp_loader *loader, uint64_t top, uint64_t *ret_left)
{
    return msp_iter_containers(loader, top, ret_left);
}

int msp_ctr_tops(const struct msp_loader *loader, uint64_t **ret_top,
                 size_t *ret_n)
{
    const uint32_t max = MSP_CONTAINER_CGROUPS_MAX;
    int fd = msp_loader_map_fd(loader, "msp_ctr_cgroup");
    msp_autofree struct msp_ctr_ref *ref = calloc(max, sizeof(*ref));
    msp_autofree uint64_t *key = calloc(max, sizeof(*key));
    uint64_t cursor = 0;
    __u32 n = max;
    size_t kept = 0;

    if (!ref || !key)
        return -ENOMEM;
    if (bpf_map_lookup_batch(fd, NULL, &cursor, key, ref, &n, NULL) < 0 &&
        errno != ENOENT)
        return -errno;
    for (__u32 i = 0; i < n; i++)
        if (key[i] == ref[i].top)
            key[kept++] = key[i];
    *ret_n = kept;
    *ret_top = TAKE_PTR(key);
    return 0;
}
