/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The contract between the LSM programs and mspd. Everything else they read
 * is in abi.h, in maps they share with the other programs.
 */
#pragma once

#include <linux/types.h>

#include <msp/abi.h>

/*
 * The only entry of msp_lsm; mmap-ed by mspd, which stores each word atomically
 * and adds nothing to the counters. The canary: mspd makes a thread, and both
 * of its programs must have counted it. Others' threads do not count.
 */
struct msp_lsm_state {
    __u32 tgid; /* of mspd, init pid namespace */
    __u32 pad;
    __u64 netns_cookie; /* of the network namespace of mspd */
    __u64 n_lsm;        /* threads that lsm/task_alloc saw */
    __u64 n_tracing;    /* threads that tp_btf/sched_process_fork saw */
    __u64 n_hashed;     /* executables whose contents were read at exec, */
    __u64 n_not_hashed; /* and those where that failed */
    __s64 algorithm;    /* last answer of the kernel: MSP_LSM_SHA256, -errno */
};

MSP_ASSERT_SIZE(msp_lsm_state, 56);

#define MSP_LSM_SHA256 4 /* enum hash_algo of the kernel */
