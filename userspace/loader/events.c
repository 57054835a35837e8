/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "loader/events.h"

#include <errno.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <msp/cleanup.h>
#include <msp/limits.h>

#include "base/io.h"
#include "loader/iter.h"

/* Ends a drain; none of the codes libbpf has of its own. */
#define BATCH_END (-EXFULL)

/* The consumer of the ring; one a process. */
static struct {
    msp_event_fn fn;
    msp_gone_fn gone;
    void *data;
    uint32_t n;      /* records of this drain */
    uint64_t end_ns; /* of it, at the latest */
} consumer;

/*
 * libbpf goes on for as long as records come, which the denied decide; what it
 * has called this for is taken, whatever the answer.
 */
static int on_record(void *ctx, void *record, size_t len)
{
    (void)ctx;
    if (len == sizeof(struct msp_gone))
        consumer.gone(consumer.data,
                      ((const struct msp_gone *)record)->cgroup_id);
    else if (len >= sizeof(struct msp_event))
        consumer.fn(consumer.data, record);
    return ++consumer.n >= MSP_RING_BATCH || msp_io_now_ns() >= consumer.end_ns
               ? BATCH_END
               : 0;
}

int msp_events_open(struct msp_loader *loader, msp_event_fn fn,
                    msp_gone_fn gone, void *data)
{
    int fd = msp_loader_map_fd(loader, "msp_ring");

    consumer.fn = fn;
    consumer.gone = gone;
    consumer.data = data;
    loader->ring = ring_buffer__new(fd, on_record, NULL, NULL);
    if (!loader->ring)
        return msp_loader_fail(loader, -errno, "opening the event ring");
    return 0;
}

int msp_events_drain(struct msp_loader *loader)
{
    int n;

    consumer.n = 0;
    consumer.end_ns = msp_io_now_ns() + MSP_RING_BATCH_MS * 1000000ull;
    n = ring_buffer__consume(loader->ring);
    if (n == BATCH_END)
        return 1;
    return n < 0 ? n : 0;
}

/* A copy of a hash map, keys and values side by side. */
struct copy {
    char *keys;   /* owned */
    char *values; /* owned */
    __u32 n;
};

static void copy_done(struct copy *copy)
{
    free(copy->keys);
    free(copy->values);
}

/*
 * In one call, bucket by bucket: going from key to key would start over, and
 * show rows twice, whenever the row it stands on is evicted.
 */
static int copy_map(int fd, size_t key_bytes, size_t value_bytes, __u32 max,
                    struct copy *ret)
{
    msp_autofree char *cursor = calloc(1, key_bytes + sizeof(__u32));

    ret->n = max;
    ret->keys = calloc(max, key_bytes);
    ret->values = calloc(max, value_bytes);
    if (!cursor || !ret->keys || !ret->values)
        return -ENOMEM;
    if (bpf_map_lookup_batch(fd, NULL, cursor, ret->keys, ret->values, &ret->n,
                             NULL) < 0 &&
        errno != ENOENT)
        return -errno;
    return 0;
}

int msp_events_audit(const struct msp_loader *loader, msp_audit_fn fn,
                     void *data)
{
    int fd = msp_loader_map_fd(loader, "msp_audit");
    msp_cleanup(copy_done) struct copy copy = {0};
    int r;

    r = copy_map(fd, sizeof(struct msp_audit_key), sizeof(struct msp_audit),
                 MSP_AUDIT_MAX, &copy);
    for (__u32 i = 0; r == 0 && i < copy.n; i++) {
        struct msp_audit_key key;
        struct msp_audit audit;

        memcpy(&key, copy.keys + i * sizeof(key), sizeof(key));
        memcpy(&audit, copy.values + i * sizeof(audit), sizeof(audit));
        fn(data, &key, &audit);
    }
    return r;
}

/* A row that no program has counted in is somebody else's. */
static void count_row(void *data, const struct msp_audit_key *key,
                      const struct msp_audit *audit)
{
    uint64_t *n_rows = data;

    (void)key;
    *n_rows += audit->count != 0;
}

int msp_events_audit_size(const struct msp_loader *loader,
                          struct msp_audit_size *ret)
{
    uint64_t n_inserted = 0, n_rows = 0;
    int r;

    /* before the rows: what comes in between is taken for neither */
    r = msp_events_stat(loader, MSP_STAT_AUDIT_INSERTED, &n_inserted);
    if (r == 0)
        r = msp_events_audit(loader, count_row, &n_rows);
    if (r < 0)
        return r;
    *ret = (struct msp_audit_size){
        .n_rows = n_rows,
        .n_evicted = n_inserted > n_rows ? n_inserted - n_rows : 0};
    return 0;
}

/* --- counters ----------------------------------------------------------- */

struct counter {
    struct msp_counter_key key;
    __u64 count;
};

static struct counter counter_at(const struct copy *copy, __u32 i)
{
    struct counter counter;

    memcpy(&counter.key, copy->keys + i * sizeof(counter.key),
           sizeof(counter.key));
    memcpy(&counter.count, copy->values + i * sizeof(counter.count),
           sizeof(counter.count));
    return counter;
}

/* @param ret_count of the row of that cgroup and what else is in the key */
static bool find_counter(const struct copy *copy, struct msp_counter_key key,
                         uint64_t cgroup_id, uint64_t *ret_count)
{
    key.cgroup_id = cgroup_id;
    for (__u32 i = 0; i < copy->n; i++) {
        struct counter counter = counter_at(copy, i);

        if (memcmp(&counter.key, &key, sizeof(key)) != 0)
            continue;
        *ret_count = counter.count;
        return true;
    }
    return false;
}

static int copy_counters(const struct msp_loader *loader, struct copy *ret)
{
    return copy_map(msp_loader_map_fd(loader, "msp_counters"),
                    sizeof(struct msp_counter_key), sizeof(__u64),
                    MSP_COUNTERS_MAX, ret);
}

int msp_events_counters(const struct msp_loader *loader, msp_counter_fn fn,
                        void *data)
{
    msp_cleanup(copy_done) struct copy copy = {0};
    int r = copy_counters(loader, &copy);

    for (__u32 i = 0; r == 0 && i < copy.n; i++) {
        struct counter counter = counter_at(&copy, i);
        uint64_t more = 0;

        if (counter.key.cgroup_id == MSP_COUNTER_GONE) {
            if (find_counter(&copy, counter.key, 0, &more))
                continue; /* told with that one */
            counter.key.cgroup_id = 0;
        } else if (counter.key.cgroup_id == 0) {
            (void)find_counter(&copy, counter.key, MSP_COUNTER_GONE, &more);
        }
        fn(data, &counter.key, counter.count + more);
    }
    return r;
}

/*
 * What a program adds to the row while it goes is lost: of a cgroup that is
 * gone only connections that outlive it are counted.
 */
static int give_up(int fd, const struct msp_counter_key *key)
{
    struct msp_counter_key common = *key;
    __u64 sum = 0, count;

    common.cgroup_id = MSP_COUNTER_GONE;
    if (bpf_map_lookup_elem(fd, &common, &sum) < 0 && errno != ENOENT)
        return -errno;
    /* of a table that is full this makes the room for the common row */
    if (bpf_map_lookup_and_delete_elem(fd, key, &count) < 0)
        return -errno;
    sum += count;
    return bpf_map_update_elem(fd, &common, &sum, BPF_ANY) < 0 ? -errno : 0;
}

int msp_events_counters_sweep(struct msp_loader *loader,
                              struct msp_counters_sweep *sweep)
{
    int fd = msp_loader_map_fd(loader, "msp_counters"), n_gone = 0;
    msp_cleanup(copy_done) struct copy copy = {0};
    int r = copy_counters(loader, &copy);
    uint64_t end_ns;

    if (r < 0 || copy.n <= MSP_COUNTERS_MAX / 2)
        return r;
    end_ns = msp_io_now_ns() + MSP_COUNTERS_SWEEP_MS * 1000000ull;
    for (__u32 n = 0; n < copy.n && (n == 0 || msp_io_now_ns() < end_ns); n++) {
        struct msp_counter_key key =
            counter_at(&copy, sweep->next++ % copy.n).key;

        if (key.cgroup_id != MSP_COUNTER_GONE &&
            msp_iter_cgroup_is_gone(loader, key.cgroup_id))
            n_gone += give_up(fd, &key) == 0;
    }
    /* those behind them move up */
    sweep->next = (sweep->next - (uint32_t)n_gone) % copy.n;
    return n_gone;
}

int msp_events_stat(const struct msp_loader *loader, enum msp_stat stat,
                    uint64_t *ret_value)
{
    __u32 key = stat;
    __u64 value = 0;

    if (bpf_map_lookup_elem(msp_loader_map_fd(loader, "msp_stats"), &key,
                            &value) < 0)
        return -errno;
    *ret_value = value;
    return 0;
}

int msp_netns_row_set(const struct msp_loader *loader, uint64_t cookie,
                      const struct msp_netns *row)
{
    int fd = msp_loader_map_fd(loader, "msp_netns");

    return bpf_map_update_elem(fd, &cookie, row, BPF_ANY) < 0 ? -errno : 0;
}

int msp_netns_row_delete(const struct msp_loader *loader, uint64_t cookie)
{
    int fd = msp_loader_map_fd(loader, "msp_netns");

    return bpf_map_delete_elem(fd, &cookie) < 0 ? -errno : 0;
}

int msp_netns_row_each(const struct msp_loader *loader, msp_listener_fn fn,
                       void *data)
{
    int fd = msp_loader_map_fd(loader, "msp_netns");
    msp_cleanup(copy_done) struct copy copy = {0};
    int r;

    r = copy_map(fd, sizeof(uint64_t), sizeof(struct msp_netns), MSP_NETNS_ROWS,
                 &copy);
    for (__u32 i = 0; r == 0 && i < copy.n; i++) {
        struct msp_netns row;
        uint64_t cookie;

        memcpy(&cookie, copy.keys + i * sizeof(cookie), sizeof(cookie));
        memcpy(&row, copy.values + i * sizeof(row), sizeof(row));
        fn(data, cookie, &row);
    }
    return r;
}
