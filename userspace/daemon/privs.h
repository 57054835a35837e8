/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The one table of capabilities: what mspd keeps, what mspd-netns keeps, what
 * is needed only until both have reduced themselves. `status` prints it, the
 * unit file repeats it and a test compares the two.
 */
#pragma once

#include <stddef.h>

enum msp_priv_holder {
    MSP_PRIV_MSPD,
    MSP_PRIV_NETNS,
    MSP_PRIV_START, /* to cut the bounding set, then nobody's */
};

struct msp_priv {
    int cap;          /* CAP_* */
    const char *name; /* "CAP_BPF" */
    enum msp_priv_holder holder;
    const char *why;
};

/* @return static table, [ret_n] */
const struct msp_priv *msp_privs(size_t *ret_n);

/* Reduces this process to the rows of mspd. @return as msp_caps_reduce */
int msp_privs_reduce(void);
