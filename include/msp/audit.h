/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The part of abi.h that tells what was decided: rows of the audit map, the
 * counters and ring records. Include that one, whose rules hold here.
 */
#pragma once

#include <msp/abi.h>

#define MSP_AUDIT_UID_OTHER 0xfffffffeu /* beyond MSP_AUDIT_UIDS_MAX */

struct msp_audit_key {
    __u64 cgroup_id;
    __u32 uid; /* or MSP_AUDIT_UID_OTHER */
    __u32 endpoint;
    enum msp_stage stage;
    enum msp_verdict verdict;
    enum msp_reason reason;
    __u32 pad;
};

MSP_ASSERT_SIZE(msp_audit_key, 32);

struct msp_audit {
    /* what is read of a row each time, beside its key: one line of memory */
    __u64 count;
    __u64 first_ns; /* CLOCK_MONOTONIC */
    __u64 last_ns;
    __u64 generation; /* policy generation of the last event */
    __u32 busy;       /* a writer holds all but `count` */
    /* the names below are those of these, in `generation` */
    __u32 identity_no; /* or MSP_NO_IDENTITY */
    __u32 privilege_no;
    __u32 pid;
    __u64 netns_cookie;
    __u32 uid;   /* the real one, also under MSP_AUDIT_UID_OTHER */
    __u32 flags; /* MSP_MARK_* */
    struct msp_exe exe;
    struct msp_name exe_name; /* base name at exec, "-" for none known */
    char endpoint[MSP_ENDPOINT_NAME_BYTES];
    struct msp_name identity;
    struct msp_name privilege;
    char path[MSP_AUDIT_PATH_BYTES]; /* of the last request */
};

MSP_ASSERT_SIZE(msp_audit, 432);

/* Which uids of a cgroup have rows of their own. Key: cgroup id. */
struct msp_audit_uids {
    __u32 n;
    __u32 uid[MSP_AUDIT_UIDS_MAX];
};

MSP_ASSERT_SIZE(msp_audit_uids, 68);

/*
 * cgroup_id 0 collects what did not fit: programs add to it. Sums of cgroups
 * that are gone are on MSP_COUNTER_GONE, which mspd alone writes, so that no
 * addition of a program gets lost. Both are shown as one.
 */
#define MSP_COUNTER_GONE 0xffffffffffffffffull

struct msp_counter_key {
    __u64 cgroup_id;
    __u32 endpoint;
    enum msp_verdict verdict;
};

MSP_ASSERT_SIZE(msp_counter_key, 16);

/* Ring record: a connect that did not reach the proxy. */
struct msp_event {
    __u64 time_ns; /* CLOCK_MONOTONIC */
    __u64 generation;
    __u64 cgroup_id;
    __u64 netns_cookie;
    __u8 addr[16];
    __u32 uid;
    __u32 pid;
    __u32 endpoint;
    __u32 flags; /* MSP_MARK_* */
    enum msp_verdict verdict;
    enum msp_reason reason;
    __u16 port;
    __u16 pad[3];
    struct msp_exe exe;
    struct msp_name exe_name; /* base name at exec, "-" for none known */
    char endpoint_name[MSP_ENDPOINT_NAME_BYTES];
};

MSP_ASSERT_SIZE(msp_event, 192);

/* Ring record, told by its size: the top cgroup of a container has gone. */
struct msp_gone {
    __u64 cgroup_id;
};

MSP_ASSERT_SIZE(msp_gone, 8);
