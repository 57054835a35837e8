/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Where a connection wants to go, and which endpoint of a slot that is. */
#pragma once

#include "lib/maps.bpf.h"

#define MSP_SOCK_STREAM 1
#define PROTO_UDP       17

#define MAPPED_WORD bpf_htonl(0xffff)

/* Writes ::ffff:a.b.c.d. @param addr4_be as in bpf_sock_addr.user_ip4 */
static __always_inline void target_map_v4(__u8 addr[16], __u32 addr4_be)
{
    __u32 word[4] = {0, 0, MAPPED_WORD, addr4_be};

    __builtin_memcpy(addr, word, 16);
}

/* The words of an address as the kernel's contexts have them. */
static __always_inline void target_words(const __u8 addr[16], __u32 word[4])
{
    __builtin_memcpy(word, addr, 16);
}

static __always_inline bool target_is_loopback4(__u32 addr4_be)
{
    /* connect() to 0.0.0.0 reaches the local host as well */
    return addr4_be == 0 ||
           (addr4_be & bpf_htonl(0xff000000)) == bpf_htonl(0x7f000000);
}

/* 127/8, ::1, and the unspecified addresses, which connect() takes for them. */
static __always_inline bool target_is_loopback(const __u8 addr[16])
{
    __u32 w[4];

    target_words(addr, w);
    if (w[0] || w[1])
        return false;
    if (w[2] == MAPPED_WORD)
        return target_is_loopback4(w[3]);
    return !w[2] && (!w[3] || w[3] == bpf_htonl(1));
}

static __always_inline bool target_is_listener_port(__u32 port)
{
    return port - MSP_PORT_FIRST <= MSP_PORT_LAST - MSP_PORT_FIRST;
}

/* The addresses that stay closed while no policy at all is in force. */
static __always_inline bool target_is_builtin(const __u8 addr[16], __u32 port)
{
    __u32 w[4];

    target_words(addr, w);
    if (w[0] || w[1] || w[2] != MAPPED_WORD)
        return false;
    if (w[3] == bpf_htonl(0xa9fea9fe)) /* 169.254.169.254 */
        return port == 80;
    if (w[3] == bpf_htonl(0xa83f8110)) /* 168.63.129.16 */
        return port == 80 || port == 32526;
    return false;
}

/* The slot's port bitmap: the one test every other connection pays. */
static __always_inline bool target_has_port(__u32 slot, __u32 port)
{
    struct msp_ports *ports = bpf_map_lookup_elem(&msp_ports, &slot);
    __u32 word = port / 64;

    if (!ports)
        return true;   /* fail closed: ask the table */
    barrier_var(word); /* clang knows its range; the verifier must see it */
    return ports->word[word & (MSP_PORTS / 64 - 1)] >> (port % 64) & 1;
}

enum target_found {
    TARGET_NONE = 0, /* not an endpoint */
    TARGET_ENDPOINT = 1,
    TARGET_BROKEN = -1, /* a table that must exist does not: deny */
};

/* Looks the target up in the slot's tables. */
static __always_inline int target_endpoint(__u32 slot, const __u8 addr[16],
                                           __u16 port, __u32 *ret_index,
                                           struct msp_endpoint **ret_ep)
{
    struct msp_ep_key key = {.prefixlen = 160, .port = port};
    void *lpm = bpf_map_lookup_elem(&msp_ep_lpm, &slot);
    void *eps = bpf_map_lookup_elem(&msp_eps, &slot);
    struct msp_ep_ref *ref;
    __u32 index;

    if (!lpm || !eps)
        return TARGET_BROKEN; /* fail closed: a slot half made */
    __builtin_memcpy(key.addr, addr, 16);
    ref = bpf_map_lookup_elem(lpm, &key);
    if (!ref)
        return TARGET_NONE;
    index = ref->endpoint;
    *ret_index = index;
    *ret_ep = bpf_map_lookup_elem(eps, &index);
    /* fail closed: as above */
    return *ret_ep ? TARGET_ENDPOINT : TARGET_BROKEN;
}

/* Whether an endpoint in enforce is there now; port in host order. */
static __always_inline bool target_is_enforced(const __u8 addr[16], __u32 port)
{
    __u32 zero = 0, slot, index = 0;
    struct msp_meta *meta = bpf_map_lookup_elem(&msp_meta, &zero);
    struct msp_endpoint *ep = NULL;
    volatile __u64 *now;
    __u64 generation;
    bool is_free;
    int found;

    if (!meta)
        return true; /* fail closed: cannot happen */
    slot = *(volatile __u32 *)&meta->live & (MSP_SLOTS - 1);
    now = &meta->slot[slot].generation;
    generation = *now;
    found = target_endpoint(slot, addr, port, &index, &ep);
    is_free = found == TARGET_NONE ||
              (found == TARGET_ENDPOINT && ep &&
               (ep->mode == MSP_MODE_AUDIT || ep->mode == MSP_MODE_DISABLED));
    /* fail closed: no policy in force, or the tables were being refilled */
    return !is_free || !generation || *now != generation;
}
