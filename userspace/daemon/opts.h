/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Flags of mspd: texts and numbers, nothing is opened or looked up. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include <msp/limits.h>

#include "base/log.h"
#include "daemon/uplinks.h"
#include "loader/lsm.h"

struct msp_opts {
    const char *cgroup; /* NULL: the root of the cgroup2 mount */
    const char *pin_dir;
    const char *run_dir;
    const char *state_dir;
    const char *log_dir;
    const char *libexec_dir;
    const char *static_key;  /* NULL: no key file */
    const char *adopt_keys;  /* NULL: directory of another agent's key files */
    const char *local_rules; /* NULL: directory of local rule files */
    bool is_channel;         /* the key is latched with the host */
    bool is_push_only;       /* the host's policy is not applied */
    bool has_policy_from;    /* that was said */
    const char *platform_status; /* directory; NULL: no such report */
    const char *platform_log;    /* directory; NULL: no such log */
    const char *platform_tags;   /* directory; NULL: no such files */
    const char *channel_scale;   /* waits are so many times shorter; NULL: 1 */
    const char *proxy_user;
    const char *keeper_user;
    const char *uplink[MSP_UPLINK_NAMES_MAX]; /* [n_uplinks] devices */
    size_t n_uplinks;                         /* 0: found by routes */
    bool is_fd_guard;
    bool is_bootstrap_deny;
    enum msp_lsm_use lsm;
    bool is_raw_denied; /* in containers */
    bool is_guard;
    bool is_guard_kernel;
    const char *guard_key;                          /* public key, PEM */
    const char *guard_allow[MSP_GUARD_PATHS_MAX];   /* [n_guard_allow] */
    const char *guard_protect[MSP_GUARD_PATHS_MAX]; /* [n_guard_protect] */
    size_t n_guard_allow;
    size_t n_guard_protect;
    enum msp_log_level log_level;
};

enum msp_opts_result {
    MSP_OPTS_RUN,  /* go on */
    MSP_OPTS_DONE, /* --help or --version was printed */
};

/*
 * @param ret borrows from argv
 * @param out where --help and --version go
 * @return enum msp_opts_result; -EINVAL, with a line on `err`
 */
int msp_opts_parse(int argc, char **argv, struct msp_opts *ret, FILE *out,
                   FILE *err);
