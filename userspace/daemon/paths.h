/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Paths for what kernel records name by number, for log lines and audit rows.
 * They come from what mspd itself resolved and from the kernel's cgroup tree,
 * never from the caller, who may have changed what he shows since.
 */
#pragma once

#include <stdint.h>

#include <msp/abi.h>

#include "daemon/ctrrecord.h"

/* What stands for a path that is not known. */
#define MSP_PATH_NONE "-"

/* Where paths come from. A function that is NULL knows none. */
struct msp_paths {
    void *data; /* borrowed; handed to the functions */
    /* The path of a file of the policy; valid until the next call. NULL: the
     * file is none of the policy's. */
    const char *(*exe)(void *data, const struct msp_exe *exe);
    /* The path of a cgroup below the v2 root, begun by "/"; valid until the
     * next call. NULL: it is gone. */
    const char *(*cgroup)(void *data, uint64_t cgroup_id);
    /* What is registered of the container a cgroup is in; valid until the next
     * registration. NULL: it is in none. */
    const struct msp_ctr_record *(*container)(void *data, uint64_t cgroup_id);
    /* The id of the top of the registered container a cgroup is in. 0: none. */
    uint64_t (*top)(void *data, uint64_t cgroup_id);
};

/* @param paths NULL = none known @return never NULL; MSP_PATH_NONE */
const char *msp_paths_exe(const struct msp_paths *paths,
                          const struct msp_exe *exe);

/*
 * What a line shows of a container: names of fields, and texts.
 * @param ret_text [MSP_PATHS_CTR], never NULL; MSP_PATH_NONE
 */
enum {
    MSP_PATHS_CTR = 5
};

extern const char *const msp_paths_ctr_name[MSP_PATHS_CTR];
void msp_paths_container(const struct msp_paths *paths, uint64_t cgroup_id,
                         const char *ret_text[MSP_PATHS_CTR]);
const char *msp_paths_cgroup(const struct msp_paths *paths, uint64_t cgroup_id);

/*
 * Whom a line is charged to (payer.h). Root of the host in the agent's own
 * network namespace cannot be held to one number by what he is: he pays by his
 * own cgroup, and his kind is still nobody.
 */
uint64_t msp_paths_request_payer(const struct msp_mark *mark);
/*
 * The kernel does not ask who pays for a connect that it denies: he is found by
 * his cgroup, and pays by it if no container is registered there.
 * @param paths NULL = none known
 */
uint64_t msp_paths_connect_payer(const struct msp_paths *paths,
                                 const struct msp_event *event);
