/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "loader/live.h"

#include <errno.h>

#include <bpf/bpf.h>

#include <msp/cleanup.h>

#include "loader/tables.h"

static const char *const dim_maps[MSP_DIM_IDS] = {
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
    for (int dim = 0; dim < MSP_DIM_IDS; dim++) {
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

/* The array has as many entries as there are endpoints, and at least one. */
static int read_names(const struct msp_loader *loader,
                      struct msp_target_name **ret_name, size_t *ret_n)
{
    msp_autofree struct msp_target_name *name =
        calloc(MSP_ENDPOINTS_MAX, sizeof(*name));
    msp_autoclose int fd = open_live(loader, "msp_eps");

    if (!name)
        return -ENOMEM;
    if (fd < 0)
        return fd;
    for (__u32 i = 0; i < MSP_ENDPOINTS_MAX; i++) {
        struct msp_endpoint endpoint;

        if (bpf_map_lookup_elem(fd, &i, &endpoint) < 0) {
            if (errno != ENOENT)
                return -errno;
            break;
        }
        if (!endpoint.name[0])
            break;
        memcpy(name[i].text, endpoint.name, sizeof(name->text));
        *ret_n = i + 1;
    }
    *ret_name = TAKE_PTR(name);
    return 0;
}

static int read_prefixes(const struct msp_loader *loader,
                         struct msp_image_prefix **ret_prefix, size_t *ret_n)
{
    enum {
        MAX = 2 * MSP_PREFIXES_MAX
    }; /* with those of port 0 */
    msp_autofree struct msp_image_prefix *prefix = calloc(MAX, sizeof(*prefix));
    msp_autoclose int fd = open_live(loader, "msp_ep_lpm");
    const struct msp_ep_key *before = NULL;

    if (!prefix)
        return -ENOMEM;
    if (fd < 0)
        return fd;
    while (*ret_n < MAX) {
        struct msp_image_prefix *one = &prefix[*ret_n];
        struct msp_ep_ref ref;

        if (bpf_map_get_next_key(fd, before, &one->key) < 0) {
            if (errno != ENOENT)
                return -errno;
            break;
        }
        if (bpf_map_lookup_elem(fd, &one->key, &ref) < 0)
            return -errno;
        one->endpoint = ref.endpoint;
        before = &one->key;
        ++*ret_n;
    }
    *ret_prefix = TAKE_PTR(prefix);
    return 0;
}

int msp_live_targets(const struct msp_loader *loader, struct msp_targets *ret)
{
    msp_autofree struct msp_image_prefix *prefix = NULL;
    msp_autofree struct msp_target_name *name = NULL;
    size_t n_prefixes = 0, n_names = 0;
    int r;

    r = read_names(loader, &name, &n_names);
    if (r == 0)
        r = read_prefixes(loader, &prefix, &n_prefixes);
    if (r < 0)
        return r;
    *ret =
        msp_targets_take(TAKE_PTR(name), n_names, TAKE_PTR(prefix), n_prefixes);
    return 0;
}
