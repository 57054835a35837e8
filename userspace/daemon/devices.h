/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The network devices of this namespace and which of them packets to the
 * endpoints leave by, from rtnetlink. Reading only.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct msp_device {
    uint32_t ifindex;
    uint32_t master; /* ifindex of the device it belongs to, 0 = none */
    uint32_t lower;  /* ifindex of the one it stands on (VLAN, macvlan, tunnel)
                        if that is here, 0 = none */
    char name[IFNAMSIZ];
    bool has_ethernet; /* frames begin with an Ethernet header */
    bool is_loopback;
    bool is_inward; /* one end of a veth pair, or a tun or tap */
    bool is_uplink; /* a route to an endpoint or into its network, of any
                       table, or below or part of such a device */
};

struct msp_devices {
    struct msp_device *item; /* owned */
    size_t n;
};

/* Where an endpoint is. */
struct msp_device_target {
    uint8_t addr[16];  /* IPv4 as ::ffff:a.b.c.d */
    unsigned int bits; /* of them that are given, 0..128 */
};

/* A socket that tells of changes. @return descriptor; negative errno */
int msp_devices_watch(void);

/*
 * Reads all of them anew.
 * @param target [n] what must be reached by one of the uplinks only
 * @param ret released by msp_devices_done, also after a failure
 * @return 0; negative errno
 */
int msp_devices_read(const struct msp_device_target *target, size_t n,
                     struct msp_devices *ret);

/* @return NULL: no such device */
const struct msp_device *msp_devices_find(const struct msp_devices *devices,
                                          uint32_t ifindex);

void msp_devices_done(struct msp_devices *devices);
