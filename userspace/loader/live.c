/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "loader/live.h"

#include <errno.h>

#include <bpf/bpf.h>

#include <msp/cleanup.h>

#include "loader/tables.h"

static const char *const dim_maps[MSP_DIM_HOST_ONLY] = {
    [MSP_DIM_UID] = "msp_uid",
    [MSP_DIM_GID] = "msp_gid",
    [MSP_DIM_GROUP] = "msp_group",
};

static int open_live(const struct msp_loader *loader, const char *name)
{
    uint64_t generation = msp_tables_live(loader).generation;
    char path[MSP_PIN_PATH_BYTES];
    int fd;

    if (!generation)
        return -ENOENT;
    msp_pins_gen_path(&loader->pins, generation, false, name, path);
    fd = bpf_obj_get(path);
    return fd < 0 ? -errno : fd;
}

static int compare(const void *a, const void *b)
{
    const struct msp_row *left = a, *right = b;

    return left->id < right->id ? -1 : left->id > right->id;
}

/* The map is frozen: going from key to key sees each one once. */
static int read_table(int fd, struct msp_row_table *ret)
{
    const __u32 *before = NULL;

    ret->row = calloc(MSP_IDENTITIES_MAX, sizeof(*ret->row));
    if (!ret->row)
        return -ENOMEM;
    while (ret->n < MSP_IDENTITIES_MAX) {
        struct msp_row *row = &ret->row[ret->n];

        if (bpf_map_get_next_key(fd, before, &row->id) < 0) {
            if (errno != ENOENT)
                return -errno;
            break;
        }
        if (bpf_map_lookup_elem(fd, &row->id, &row->set) < 0)
            return -errno;
        before = &row->id;
        ret->n++;
    }
    qsort(ret->row, ret->n, sizeof(*ret->row), compare);
    return 0;
}

static int read_rows(const struct msp_loader *loader, struct msp_rows *ret)
{
    for (int dim = 0; dim < MSP_DIM_HOST_ONLY; dim++) {
        msp_autoclose int fd = open_live(loader, dim_maps[dim]);
        int r;

        if (fd < 0)
            return fd;
        r = read_table(fd, &ret->dim[dim]);
        if (r < 0)
            return r;
    }
    for (__u32 dim = 0; dim < MSP_DIM_COUNT; dim++) {
        msp_autoclose int fd = open_live(loader, "msp_wild");

        if (fd < 0)
            return fd;
        if (bpf_map_lookup_elem(fd, &dim, &ret->wild[dim]) < 0)
            return -errno;
    }
    return 0;
}

int msp_live_rows(const struct msp_loader *loader, struct msp_rows *ret)
{
    int r = read_rows(loader, ret);

    if (r < 0)
        msp_rows_done(ret);
    return r;
}

int msp_live_endpoint(const struct msp_loader *loader, uint32_t index,
                      struct msp_endpoint *ret)
{
    msp_autoclose int fd = open_live(loader, "msp_eps");

    if (fd < 0)
        return fd;
    return bpf_map_lookup_elem(fd, &index, ret) < 0 ? -errno : 0;
}
