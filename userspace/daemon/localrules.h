/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The local rule files of the platform, below the directory of --local-rules:
 * opened for the keeper and never read here. A file counts if it and its
 * directory are root's and nobody else may write them; a link never does.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include <msp/child.h>

struct msp_localrules {
    const char *dir; /* borrowed; NULL: none was given */
    int kept_fd;     /* this one, wherever it is now; owned; -1: by its path */
    uid_t owner;     /* who must own it all: root, but in tests */

    struct {
        bool is_told;  /* the keeper knows of this state: */
        bool is_young; /* then it might have changed since, unseen */
        enum msp_local_file file;
        int error;
        struct stat st;
    } seen[MSP_LOCAL_FILES];
};

/* The keeper knows of nothing: a new one. */
void msp_localrules_forget(struct msp_localrules *rules);

/*
 * Looks at the file of one endpoint.
 * @param now of CLOCK_REALTIME, seconds: what changed just before is looked at
 *        again, since one ctime can be of two contents
 * @param ret what to tell the keeper
 * @param ret_fd with MSP_LOCAL_THERE the file for reading, the caller's; else
 *        -1
 * @return whether there is something to tell; call msp_localrules_told() then
 */
bool msp_localrules_look(struct msp_localrules *rules, uint32_t endpoint,
                         time_t now, struct msp_child_local *ret, int *ret_fd);

/* "merged", "denied" */
const char *msp_localrules_use_name(uint32_t use);

#define MSP_LOCALRULES_USES_BYTES 64

/*
 * The endpoints for which a local rule file counts, and how it does:
 * "imds (denied), wireserver (merged)"; "none".
 * @param use enum msp_local_use, by enum msp_builtin
 */
void msp_localrules_uses(const uint32_t use[static MSP_LOCAL_FILES],
                         char ret[static MSP_LOCALRULES_USES_BYTES]);

/* The keeper was told what the last look found. */
void msp_localrules_told(struct msp_localrules *rules, uint32_t endpoint);
