/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * provisioned.tag and status.tag, by which the platform's tools see whether
 * its agent is ready: there while, and only while, `azure-proxy-agent --status`
 * would say that provisioning has ended. status.tag is empty if all is ready,
 * else it says what is not; the other one says when they were written.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "daemon/parts.h"

#define MSP_TAGS_STATUS "status.tag"

struct msp_tags {
    const char *dir;  /* NULL = there are none */
    bool is_known;    /* the files are as the next two say */
    bool is_finished; /* they are there */
    char missing[MSP_PARTS_TEXT_BYTES];
    int error; /* 0; negative errno of the last attempt */
};

/*
 * What status.tag says, pure: XML's five are escaped, and what could drive a
 * terminal as --status does it.
 * @param missing lines of msp_parts_are_ready(); "" = ready, says nothing
 * @return 0; -ENOMEM; -EIO
 */
int msp_tags_print(const char *missing, FILE *out);

/*
 * Makes the files say this, if they do not. Waits for the disk: it is told only
 * what changes with the agent's own processes and the host.
 * @param is_finished ready, or not ready in time; else they are removed
 * @param missing as above
 * @param real_ns now, since 1970
 * @return error, which is kept
 */
int msp_tags_set(struct msp_tags *tags, bool is_finished, const char *missing,
                 uint64_t real_ns);
