/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "loader/parked.h"

#include <errno.h>
#include <sys/mman.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "loader/events.h"

_Static_assert(MSP_TICKETS_BYTES % 4096 == 0, "whole pages");

/* The consumer of the ring; one a process. */
static struct {
    msp_park_fn fn;
    void *data;
} consumer;

static int on_record(void *ctx, void *record, size_t len)
{
    (void)ctx;
    if (len >= sizeof(struct msp_park))
        consumer.fn(consumer.data, record);
    return 0;
}

int msp_parked_open(struct msp_loader *loader, msp_park_fn fn, void *data)
{
    int fd = msp_loader_map_fd(loader, "msp_tickets");
    void *page;

    consumer.fn = fn;
    consumer.data = data;
    page = mmap(NULL, MSP_TICKETS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                0);
    if (page == MAP_FAILED)
        return msp_loader_fail(loader, -errno, "mapping msp_tickets");
    loader->tickets = page;
    fd = msp_loader_map_fd(loader, "msp_park_ring");
    loader->park_ring = ring_buffer__new(fd, on_record, NULL, NULL);
    if (!loader->park_ring)
        return msp_loader_fail(loader, -errno, "opening the ring of listeners");
    return ring_buffer__epoll_fd(loader->park_ring);
}

void msp_parked_drain(struct msp_loader *loader)
{
    (void)ring_buffer__consume(loader->park_ring);
}

void msp_parked_release(struct msp_loader *loader, const struct msp_park *park)
{
    __u64 expected = park->until_ns;
    __u64 *ticket;

    if (park->bucket >= MSP_PARK_BUCKETS || park->ticket >= MSP_PARK_WAYS)
        return;
    ticket = &loader->tickets[park->bucket].until_ns[park->ticket];
    (void)__atomic_compare_exchange_n(ticket, &expected, 0, false,
                                      __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

void msp_parked_fail(const struct msp_loader *loader,
                     const struct msp_park *park, bool is_backoff,
                     uint64_t now_ns)
{
    struct msp_netns row;
    int fd = msp_loader_map_fd(loader, "msp_netns");

    if (bpf_map_lookup_elem(fd, &park->netns_cookie, &row) < 0 ||
        row.state == MSP_NETNS_READY)
        return;
    if (!is_backoff) {
        (void)msp_netns_row_delete(loader, park->netns_cookie);
        return;
    }
    row.state = MSP_NETNS_FAILED;
    row.until_ns = now_ns + MSP_PARK_BACKOFF_NS;
    (void)msp_netns_row_set(loader, park->netns_cookie, &row);
}

struct expire {
    const struct msp_loader *loader;
    uint64_t now_ns;
    int n_left;
};

static void expire_one(void *data, uint64_t cookie, const struct msp_netns *row)
{
    struct expire *expire = data;
    struct msp_netns now;

    if (row->state != MSP_NETNS_PARKED && row->state != MSP_NETNS_FAILED)
        return;
    if (row->until_ns > expire->now_ns) {
        expire->n_left++;
        return;
    }
    /* what was copied may be over: who deletes another row by mistake makes
     * its namespace ask once more */
    if (bpf_map_lookup_elem(msp_loader_map_fd(expire->loader, "msp_netns"),
                            &cookie, &now) == 0 &&
        now.state == row->state && now.until_ns == row->until_ns)
        (void)msp_netns_row_delete(expire->loader, cookie);
}

int msp_parked_expire(const struct msp_loader *loader, uint64_t now_ns)
{
    struct expire expire = {.loader = loader, .now_ns = now_ns};
    int r = msp_netns_row_each(loader, expire_one, &expire);

    return r < 0 ? r : expire.n_left;
}
