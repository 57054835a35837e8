/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The guard on one network device of this network namespace: a tcx link where
 * the kernel has them (6.6), else a clsact filter of our own handle. Either
 * one stays when this process ends. A pin in uplinks/<ifindex> says which.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "loader/load.h"

/* Ours among cls_bpf filters of the first preference; nobody else's goes. */
#define MSP_UPLINK_PREF   1
#define MSP_UPLINK_HANDLE 0x6d7370

enum msp_uplink_kind {
    MSP_UPLINK_NONE = 0,
    MSP_UPLINK_TCX,
    MSP_UPLINK_CLSACT,
};

enum msp_uplink_place {
    MSP_UPLINK_GONE = 0, /* somebody took it off */
    MSP_UPLINK_FIRST,
    MSP_UPLINK_BEHIND, /* somebody's program runs first, and may end it there */
};

/*
 * Attaches our program, or exchanges an earlier mspd's for it.
 * @param has_ethernet whether frames begin with an Ethernet header
 * @param ret_kind set on success
 * @return 0; negative errno, `why` set
 */
int msp_uplink_attach(struct msp_loader *loader, uint32_t ifindex,
                      bool has_ethernet, enum msp_uplink_kind *ret_kind);

/* Whether it is still there. @return enum msp_uplink_place; negative errno */
int msp_uplink_check(struct msp_loader *loader, uint32_t ifindex);

/* Takes it off, if it is there. @return 0; negative errno, `why` set */
int msp_uplink_detach(struct msp_loader *loader, uint32_t ifindex);

/* Takes all off that have a pin below `root`, a layout's. As above. */
int msp_uplink_detach_all(struct msp_loader *loader, const char *root);

/* The devices that have a pin. @param fn called for each ifindex */
void msp_uplink_each(const struct msp_loader *loader,
                     void (*fn)(void *data, uint32_t ifindex), void *data);
