/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Questions to rtnetlink of the network namespace the caller is in. */
#pragma once

#include <stdint.h>

struct nlmsghdr;

/*
 * @param groups RTMGRP_*: a socket that hears of changes and never waits;
 *        0: one to ask on, an answer is waited for one second
 * @return descriptor, owned by the caller; negative errno
 */
int msp_rtnl_open(uint32_t groups);

/*
 * One message of an answer, borrowed.
 * @return 0; 1 no more is wanted; negative errno: ends the question with it,
 *         and the descriptor's use if it was a dump
 */
typedef int (*msp_rtnl_fn)(void *data, const struct nlmsghdr *head);

/*
 * Asks and hands every message of the answer to fn.
 * @param request whole but for its sequence number
 * @return 0; -ETIMEDOUT; -EMSGSIZE; negative errno, the kernel's answer too
 */
int msp_rtnl_ask(int fd, struct nlmsghdr *request, msp_rtnl_fn fn, void *data);
