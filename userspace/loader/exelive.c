/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "loader/exelive.h"

#include <errno.h>

#include <bpf/bpf.h>

#include <msp/cleanup.h>

#include "base/io.h"
#include "loader/tables.h"

enum {
    BATCH = 1024
};

/* Records of a batch. */
struct records {
    __u32 key[BATCH];
    struct msp_exec value[BATCH];
};

static int open_rows(const struct msp_loader *loader)
{
    uint64_t generation = msp_tables_live(loader).generation;
    char path[MSP_PIN_PATH_BYTES];
    int fd;

    if (!generation)
        return -ENOENT;
    msp_pins_gen_path(&loader->pins, generation, false, "msp_exe", path);
    fd = bpf_obj_get(path);
    return fd < 0 ? -errno : fd;
}

static int compare(const void *a, const void *b)
{
    const struct msp_exe_entry *left = a, *right = b;

    return msp_exe_compare(&left->key, &right->key);
}

/* Only mspd writes them, so going from key to key sees each one once. */
int msp_exe_live_read(const struct msp_loader *loader, struct msp_exe_rows *ret)
{
    msp_cleanup(msp_exe_rows_done) struct msp_exe_rows rows = {0};
    msp_autoclose int fd = open_rows(loader);
    const struct msp_exe *before = NULL;

    if (fd < 0)
        return fd;
    rows.entry = calloc(MSP_EXE_ROWS_MAX, sizeof(*rows.entry));
    if (!rows.entry)
        return -ENOMEM;
    while (rows.n < MSP_EXE_ROWS_MAX) {
        struct msp_exe_entry *entry = &rows.entry[rows.n];

        if (bpf_map_get_next_key(fd, before, &entry->key) < 0) {
            if (errno != ENOENT)
                return -errno;
            break;
        }
        if (bpf_map_lookup_elem(fd, &entry->key, &entry->row) < 0)
            return -errno;
        entry->row.stamp = 0;
        before = &entry->key;
        rows.n++;
    }
    qsort(rows.entry, rows.n, sizeof(*rows.entry), compare);
    *ret = (struct msp_exe_rows){.entry = TAKE_PTR(rows.entry), .n = rows.n};
    return 0;
}

struct writer {
    int fd;
    uint64_t stamp; /* of the row written last */
};

static int put(void *data, const struct msp_exe_entry *entry)
{
    struct writer *writer = data;
    struct msp_exe_row row = entry->row;

    row.stamp = ++writer->stamp;
    return bpf_map_update_elem(writer->fd, &entry->key, &row, BPF_ANY) < 0
               ? -errno
               : 0;
}

static int drop(void *data, const struct msp_exe *key)
{
    const struct writer *writer = data;

    return bpf_map_delete_elem(writer->fd, key) < 0 && errno != ENOENT ? -errno
                                                                       : 0;
}

/* Stamps go up from now: a row takes longer to write than a nanosecond. */
int msp_exe_live_write(struct msp_loader *loader,
                       const struct msp_exe_rows *before,
                       const struct msp_exe_rows *now)
{
    msp_autoclose int fd = open_rows(loader);
    struct writer writer = {.fd = fd, .stamp = msp_io_now_ns()};
    int r = fd < 0 ? fd : msp_exe_rows_diff(before, now, put, drop, &writer);

    return r < 0 ? msp_loader_fail(loader, r, "writing msp_exe") : 0;
}

int64_t msp_exec_each(const struct msp_loader *loader, msp_exec_fn fn,
                      void *data)
{
    msp_autofree struct records *records = malloc(sizeof(*records));
    int fd = msp_loader_map_fd(loader, "msp_exec");
    __u32 cursor = 0, n = BATCH;
    bool is_first = true;
    int64_t total = 0;
    int r;

    if (!records)
        return -ENOMEM;
    do {
        n = BATCH;
        r = bpf_map_lookup_batch(fd, is_first ? NULL : &cursor, &cursor,
                                 records->key, records->value, &n, NULL);
        if (r < 0 && errno != ENOENT)
            return -errno;
        for (__u32 i = 0; i < n && fn; i++)
            fn(data, &records->value[i].exe);
        total += n;
        is_first = false;
    } while (r == 0);
    return total;
}
