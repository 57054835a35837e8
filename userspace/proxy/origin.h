/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The kernel's side of the proxy: which mark an accepted socket carries, how
 * an upstream socket is marked as ours, and whether the inherited descriptors
 * are what they should be. Every failure means "no mark".
 */
#pragma once

#include <stdint.h>

#include <msp/abi.h>

/*
 * Checks type and shape of the inherited maps and program (enum
 * msp_child_fd). Before the sandbox.
 * @param slot the row of msp_requests this worker owns
 * @param reterr_which name of the first wrong descriptor
 * @return 0; -EINVAL a wrong one; negative errno
 */
int msp_origin_check(uint32_t slot, const char **reterr_which);

/*
 * Maps the worker's own page of msp_requests and closes that descriptor.
 * @param ret_page never unmapped
 * @return 0; negative errno
 */
int msp_origin_map_request(uint32_t slot, struct msp_request **ret_page);

/* Maps msp_meta read-only. @return 0; negative errno */
int msp_origin_map_meta(const struct msp_meta **ret_meta);

/* @return 0; -ENOENT the socket has no mark; negative errno */
int msp_origin_mark(int fd, struct msp_mark *ret_mark);

/* Marks an upstream socket before connect(). @return 0; negative errno */
int msp_origin_own(int fd);
