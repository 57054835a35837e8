/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * One listener of the agent in a network namespace. Single-threaded: the
 * whole process visits the namespace and comes home.
 */
#pragma once

#include <stdint.h>

struct msp_netns_home {
    int netns_fd;  /* the namespace the process lives in */
    int own_sk_fd; /* map msp_own_sk, or -1: not given yet */
};

struct msp_netns_listener {
    int fd; /* owned by the caller */
    uint16_t port;
    uint64_t cookie;
};

/* The process could not return to its own namespace: it must exit. */
#define MSP_NETNS_LOST (-EXDEV)

/*
 * Opens a namespace file without side effects on anything else.
 * @param path symbolic links are followed (/proc/PID/ns/net is one)
 * @return descriptor; -EINVAL not a network namespace; negative errno
 */
int msp_netns_open(const char *path);

/*
 * Makes a plain TCP listener on 127.0.0.1 at the first free port of
 * MSP_PORT_FIRST..MSP_PORT_LAST, marked in msp_own_sk before it is bound.
 * @param netns_fd -1: the own namespace
 * @param ret in: netns cookie expected, 0 = any; port to try first, 0 = none
 * @return 0; -ESTALE another cookie; -EADDRINUSE no port is free;
 *         MSP_NETNS_LOST; negative errno
 */
int msp_netns_listen(const struct msp_netns_home *home, int netns_fd,
                     struct msp_netns_listener *ret);
