/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The part of abi.h about network namespaces that have a listener of the agent
 * or wait for one. Include that one, whose rules hold here.
 *
 * An allowed connect in a namespace without a listener is parked: the program
 * takes one of its cgroup's few tickets, writes the namespace's row with the
 * port that its listener will have, and asks mspd by a ring record; its SYNs
 * are dropped until the row says MSP_NETNS_READY. Whatever mspd does not do in
 * time runs out by itself: tickets and rows carry their end.
 */
#pragma once

#include <msp/abi.h>

enum msp_netns_state {
    MSP_NETNS_NONE = 0, /* unset: no listener */
    MSP_NETNS_READY,    /* the proxy has the listener */
    MSP_NETNS_PARKED,   /* asked for, until `until_ns` */
    MSP_NETNS_FAILED,   /* could not be made; asked for again after it */
    MSP_NETNS_STATE_COUNT,
};

/*
 * One network namespace. Key: netns cookie. Whatever its state, the port is
 * nobody's but the agent's to bind or to connect to. Who had bound it before
 * and then listens there takes the row away.
 */
struct msp_netns {
    __u64 agent_epoch; /* READY: which agent holds the listener */
    __u64 until_ns;    /* PARKED, FAILED: CLOCK_MONOTONIC */
    enum msp_netns_state state;
    __u16 port; /* of 127.0.0.1, host order */
    __u16 pad;
};

MSP_ASSERT_SIZE(msp_netns, 24);
MSP_ASSERT_OFFSET(msp_netns, state, 16); /* with the port one word, exchanged */
MSP_ASSERT_OFFSET(msp_netns, port, 20);

/*
 * Tickets of the cgroups that share a bucket, so each has no more than these.
 * Taken and given back by exchanging the very value.
 */
struct msp_tickets {
    __u64 until_ns[MSP_PARKED_PER_CGROUP]; /* CLOCK_MONOTONIC; past: free */
};

MSP_ASSERT_SIZE(msp_tickets, 8 * MSP_PARKED_PER_CGROUP);

#define MSP_TICKETS_BYTES (MSP_PARK_BUCKETS * sizeof(struct msp_tickets))

/* Ring record: a namespace wants a listener. */
struct msp_park {
    __u64 netns_cookie;
    __u64 cgroup_id;
    __u64 payer;    /* payer.h */
    __u64 until_ns; /* of its ticket */
    __u32 bucket;
    __u32 ticket;
    __u32 tid;  /* who connects, */
    __u32 tgid; /* and its process; init pid namespace */
    __u16 port; /* that the listener has to have, host order */
    __u16 pad[3];
};

MSP_ASSERT_SIZE(msp_park, 56);

/* A namespace some process lives in, of those that have a row. */
struct msp_netns_task {
    __u64 netns_cookie;
    __u32 tgid;
    __u32 pad;
};

MSP_ASSERT_SIZE(msp_netns_task, 16);

/* Index of a cgroup's bucket of tickets. */
static inline __attribute__((always_inline, unused)) __u32
msp_park_bucket(__u64 cgroup_id)
{
    cgroup_id ^= cgroup_id >> 33;
    cgroup_id *= 0xff51afd7ed558ccdull;
    cgroup_id ^= cgroup_id >> 33;
    return cgroup_id & (MSP_PARK_BUCKETS - 1);
}
