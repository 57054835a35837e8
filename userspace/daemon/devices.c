/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/devices.h"

#include <errno.h>
#include <linux/if_arp.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <msp/cleanup.h>

#include "base/rtnl.h"

enum {
    KIND_BYTES = 16
};

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

int msp_devices_watch(void)
{
    return msp_rtnl_open(RTMGRP_LINK | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE |
                         RTMGRP_TC);
}

static uint32_t number_of(const struct rtattr *attr)
{
    uint32_t value = 0;

    if (RTA_PAYLOAD(attr) >= sizeof(value))
        memcpy(&value, RTA_DATA(attr), sizeof(value));
    return value;
}

/* --- devices ----------------------------------------------------------------- */

/* "veth", "macvlan"; "" for a device of hardware */
static void take_kind(const struct rtattr *linkinfo, char ret[KIND_BYTES])
{
    const struct rtattr *attr = RTA_DATA(linkinfo);
    size_t len = RTA_PAYLOAD(linkinfo);

    for (; RTA_OK(attr, len); attr = RTA_NEXT(attr, len))
        if (attr->rta_type == IFLA_INFO_KIND)
            (void)snprintf(ret, KIND_BYTES, "%.*s", (int)RTA_PAYLOAD(attr),
                           (const char *)RTA_DATA(attr));
}

static void take_attributes(struct msp_device *item,
                            const struct nlmsghdr *head)
{
    const struct rtattr *attr = IFLA_RTA(NLMSG_DATA(head));
    size_t len = IFLA_PAYLOAD(head);
    char kind[KIND_BYTES] = "";
    bool is_elsewhere = false;

    for (; RTA_OK(attr, len); attr = RTA_NEXT(attr, len)) {
        if (attr->rta_type == IFLA_IFNAME)
            (void)snprintf(item->name, sizeof(item->name), "%.*s",
                           (int)RTA_PAYLOAD(attr),
                           (const char *)RTA_DATA(attr));
        else if (attr->rta_type == IFLA_MASTER)
            item->master = number_of(attr);
        else if (attr->rta_type == IFLA_LINK)
            item->lower = number_of(attr);
        else if (attr->rta_type == IFLA_LINK_NETNSID)
            is_elsewhere = true;
        else if (attr->rta_type == IFLA_LINKINFO)
            take_kind(attr, kind);
    }
    /* pairs and taps lead to containers and guests */
    item->is_inward = msp_streq(kind, "veth") || msp_streq(kind, "tun");
    /* what a pair is linked to is its other end, which is not below it */
    if (is_elsewhere || item->is_inward || item->lower == item->ifindex)
        item->lower = 0;
}

static int take_device(void *data, const struct nlmsghdr *head)
{
    struct msp_devices *devices = data;
    const struct ifinfomsg *info = NLMSG_DATA(head);
    struct msp_device *item;

    if (head->nlmsg_type != RTM_NEWLINK || info->ifi_index <= 0)
        return 0;
    item = reallocarray(devices->item, devices->n + 1, sizeof(*item));
    if (!item)
        return -ENOMEM;
    devices->item = item;
    item += devices->n++;
    *item = (struct msp_device){
        .ifindex = (uint32_t)info->ifi_index,
        .has_ethernet =
            info->ifi_type == ARPHRD_ETHER || info->ifi_type == ARPHRD_LOOPBACK,
        .is_loopback = (info->ifi_flags & IFF_LOOPBACK) != 0,
    };
    take_attributes(item, head);
    return 0;
}

static struct msp_device *find(const struct msp_devices *devices,
                               uint32_t ifindex)
{
    for (size_t i = 0; i < devices->n; i++)
        if (devices->item[i].ifindex == ifindex)
            return &devices->item[i];
    return NULL;
}

const struct msp_device *msp_devices_find(const struct msp_devices *devices,
                                          uint32_t ifindex)
{
    return find(devices, ifindex);
}

static void mark(const struct msp_devices *devices, uint32_t ifindex)
{
    struct msp_device *item = find(devices, ifindex);

    if (item && !item->is_loopback)
        item->is_uplink = true;
}

/* --- routes ------------------------------------------------------------------ */

/* What is looked for. */
struct route_query {
    const uint8_t (*addr)[16]; /* [n] endpoints */
    size_t n;
    const struct msp_devices *devices; /* whose uplinks are marked */
};

static bool has_prefix(const uint8_t *addr, const uint8_t *prefix,
                       unsigned int bits)
{
    unsigned int whole = bits / 8;
    uint8_t mask = (uint8_t)(0xff00u >> bits % 8);

    return memcmp(addr, prefix, whole) == 0 &&
           (bits % 8 == 0 || ((addr[whole] ^ prefix[whole]) & mask) == 0);
}

/* The devices of all next hops. */
static void mark_hops(const struct msp_devices *devices,
                      const struct rtattr *attr)
{
    const struct rtnexthop *hop = RTA_DATA(attr);
    size_t len = RTA_PAYLOAD(attr);

    while (len >= sizeof(*hop) && RTNH_OK(hop, (int)len)) {
        mark(devices, (uint32_t)hop->rtnh_ifindex);
        len -= (size_t)NLMSG_ALIGN(hop->rtnh_len);
        hop = RTNH_NEXT(hop);
    }
}

/* Whether a route leads to one of the addresses. */
static bool covers(const struct route_query *query, const struct rtmsg *route,
                   const struct rtattr *attr, size_t len)
{
    const uint8_t *dest = NULL;
    bool is_v4 = route->rtm_family == AF_INET;

    for (; RTA_OK(attr, len); attr = RTA_NEXT(attr, len))
        if (attr->rta_type == RTA_DST && RTA_PAYLOAD(attr) >= (is_v4 ? 4 : 16))
            dest = RTA_DATA(attr);
    if (route->rtm_dst_len == 0)
        return true;
    if (!dest || route->rtm_dst_len > (is_v4 ? 32 : 128))
        return true; /* fail closed: not understood, rather one too many */
    for (size_t i = 0; i < query->n; i++) {
        const uint8_t *addr = query->addr[i];

        if (is_v4 != (memcmp(addr, mapped, sizeof(mapped)) == 0))
            continue;
        if (has_prefix(addr + (is_v4 ? 12 : 0), dest, route->rtm_dst_len))
            return true;
    }
    return false;
}

/* A route of any table, or the answer about one destination. */
static int take_route(void *data, const struct nlmsghdr *head)
{
    const struct route_query *query = data;
    const struct msp_devices *devices = query->devices;
    const struct rtmsg *route = NLMSG_DATA(head);
    const struct rtattr *attr = RTM_RTA(route);
    size_t len = RTM_PAYLOAD(head);

    if (head->nlmsg_type != RTM_NEWROUTE || route->rtm_type != RTN_UNICAST ||
        (head->nlmsg_flags & NLM_F_MULTI && !covers(query, route, attr, len)))
        return 0;
    for (; RTA_OK(attr, len); attr = RTA_NEXT(attr, len)) {
        if (attr->rta_type == RTA_OIF)
            mark(devices, number_of(attr));
        else if (attr->rta_type == RTA_MULTIPATH)
            mark_hops(devices, attr);
    }
    return 0;
}

/* A policy rule may send what is forwarded by any table. */
static int read_routes(int fd, unsigned char family, struct route_query *query)
{
    struct {
        struct nlmsghdr head;
        struct rtmsg route;
    } request = {
        .head = {.nlmsg_len = sizeof(request),
                 .nlmsg_type = RTM_GETROUTE,
                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .route = {.rtm_family = family},
    };

    return msp_rtnl_ask(fd, &request.head, take_route, query);
}

/* Where the kernel would send it. An unreachable one has no device. */
static int read_route(int fd, const uint8_t addr[16], struct route_query *query)
{
    bool is_v4 = memcmp(addr, mapped, sizeof(mapped)) == 0;
    unsigned int bytes = is_v4 ? 4 : 16;

    struct {
        struct nlmsghdr head;
        struct rtmsg route;
        struct rtattr attr;
        uint8_t addr[16];
    } request = {
        .head = {.nlmsg_len =
                     NLMSG_LENGTH(sizeof(struct rtmsg)) + RTA_LENGTH(bytes),
                 .nlmsg_type = RTM_GETROUTE,
                 .nlmsg_flags = NLM_F_REQUEST},
        .route = {.rtm_family = is_v4 ? AF_INET : AF_INET6,
                  .rtm_dst_len = (unsigned char)(8 * bytes)},
        .attr = {.rta_len = (unsigned short)RTA_LENGTH(bytes),
                 .rta_type = RTA_DST},
    };

    int r;

    memcpy(request.addr, addr + 16 - bytes, bytes);
    r = msp_rtnl_ask(fd, &request.head, take_route, query);
    return r == -ENETUNREACH || r == -EHOSTUNREACH || r == -EINVAL ||
                   r == -EACCES || r == -EPERM
               ? 0
               : r;
}

/* @return whether it was not marked before */
static bool mark_new(struct msp_device *item)
{
    if (!item || item->is_uplink || item->is_loopback)
        return false;
    item->is_uplink = true;
    return true;
}

/*
 * Devices that belong to an uplink, and what it stands on, are ways around it,
 * but for those ports of a bridge behind which there are only our own
 * containers and guests.
 */
static void mark_below(struct msp_devices *devices)
{
    bool has_more = true;

    while (has_more) {
        has_more = false;
        for (size_t i = 0; i < devices->n; i++) {
            struct msp_device *item = &devices->item[i];
            const struct msp_device *master = find(devices, item->master);

            if (master && master->is_uplink && !item->is_inward)
                has_more |= mark_new(item);
            if (item->is_uplink)
                has_more |= mark_new(find(devices, item->lower));
        }
    }
}

int msp_devices_read(const uint8_t (*addr)[16], size_t n,
                     struct msp_devices *ret)
{
    struct {
        struct nlmsghdr head;
        struct ifinfomsg info;
    } request = {
        .head = {.nlmsg_len = sizeof(request),
                 .nlmsg_type = RTM_GETLINK,
                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .info = {.ifi_family = AF_UNSPEC},
    };

    struct route_query query = {.addr = addr, .n = n, .devices = ret};
    msp_autoclose int fd = msp_rtnl_open(0);
    int r;

    *ret = (struct msp_devices){0};
    if (fd < 0)
        return fd;
    r = msp_rtnl_ask(fd, &request.head, take_device, ret);
    if (r == 0)
        r = read_routes(fd, AF_INET, &query);
    if (r == 0)
        r = read_routes(fd, AF_INET6, &query);
    for (size_t i = 0; i < n && r == 0; i++)
        r = read_route(fd, addr[i], &query);
    if (r == 0)
        mark_below(ret);
    return r;
}

void msp_devices_done(struct msp_devices *devices)
{
    free(devices->item);
    *devices = (struct msp_devices){0};
}
