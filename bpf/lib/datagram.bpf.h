/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Datagrams to an endpoint: none of them speaks UDP, so in enforce nothing
 * may go to its address and port. DNS and DHCP have other ports.
 */
#pragma once

#include "lib/event.bpf.h"
#include "lib/maps.bpf.h"
#include "lib/target.bpf.h"

/* Where one datagram socket wants to send. */
struct datagram {
    struct bpf_sock_addr *ctx;
    __u64 generation;
    __u32 slot;
    __u32 port; /* host order */
    __u8 addr[16];
};

static __always_inline void datagram_record(const struct datagram *d,
                                            __u32 endpoint)
{
    struct msp_refusal r = {
        .generation = d->generation,
        .netns_cookie = bpf_get_netns_cookie(d->ctx),
        .slot = d->slot,
        .endpoint = endpoint,
        .reason = MSP_REASON_DATAGRAM,
        .port = d->port,
    };

    __builtin_memcpy(r.addr, d->addr, 16);
    event_refusal(&r);
}

/* @return as the hooks: 1 it may go, 0 not */
static __always_inline int datagram_judge(struct datagram *d)
{
    __u32 zero = 0, index = MSP_EP_NONE;
    struct msp_meta *meta = bpf_map_lookup_elem(&msp_meta, &zero);
    struct msp_endpoint *ep = NULL;
    volatile __u64 *now;
    int found = TARGET_NONE;

    if (!meta)
        return 0; /* fail closed: cannot happen */
    d->slot = *(volatile __u32 *)&meta->live & (MSP_SLOTS - 1);
    now = &meta->slot[d->slot].generation;
    d->generation = *now;
    if (!d->generation)
        /* fail closed: no policy in force, the known addresses are shut */
        return !target_is_builtin(d->addr, d->port);
    if (target_has_port(d->slot, d->port))
        found = target_endpoint(d->slot, d->addr, d->port, &index, &ep);
    if (*now != d->generation)
        return 0; /* fail closed: the tables were being refilled */
    if (found == TARGET_NONE)
        return 1;
    if (found == TARGET_ENDPOINT && ep &&
        (ep->mode == MSP_MODE_AUDIT || ep->mode == MSP_MODE_DISABLED))
        return 1;
    /* fail closed: also when the tables are not whole */
    datagram_record(d, index);
    return 0;
}
