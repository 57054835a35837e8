/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * One container as it is told to mspd: the fields of include/msp/container.h,
 * checked against their limits and written as a record. Knows no JSON and no
 * runtime.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <msp/container.h>

#include "base/rec.h"

/* One more than fits, so that too many are seen. */
struct msp_labels {
    const char *label[MSP_CONTAINER_LABELS_MAX + 1]; /* "key=value" */
    size_t n;
};

/* All texts are borrowed; NULL and 0 = not told. */
struct msp_registration {
    const char *cgroup;
    const char *id;
    const char *name;
    const char *image;
    const char *runtime;
    const char *pod_namespace;
    const char *pod_name;
    const char *pod_service_account;
    const char *netns;
    const char *root;
    struct msp_labels label;
    struct msp_labels pod_label;
    uint64_t cgroup_id;
    uint64_t told_ns; /* CLOCK_MONOTONIC */
    uint32_t pid;
    bool is_ended; /* to remove: only if it has no process any more */
};

/* What is wrong with a registration; the value is borrowed from it. */
struct msp_registration_fault {
    const char *field; /* "pod.label"; NULL: all of them together */
    const char *value; /* NULL: not a single one's */
    const char *why;   /* "is longer than 255 bytes" */
};

#define MSP_REGISTRATION_FAULT_BYTES 256

/*
 * A fault in words: `--pod-label "x" is not KEY=VALUE`. A long value is cut.
 * @param is_option the fields were options of these names, else they are named
 *        as in the record
 */
void msp_registration_fault_text(const struct msp_registration_fault *fault,
                                 bool is_option,
                                 char ret[static MSP_REGISTRATION_FAULT_BYTES]);

/*
 * Checks all fields that are told and appends them as one record.
 * @param ret_rec zero-initialised; msp_rec_done() in any case
 * @param reterr set with -EINVAL
 * @return 0; -EINVAL; -ENOMEM
 */
int msp_registration_write(const struct msp_registration *reg,
                           struct msp_rec *ret_rec,
                           struct msp_registration_fault *reterr);

/*
 * Whether a text is the path of a cgroup below the mount: absolute, not the
 * root, no empty segment, no "." and no "..".
 */
bool msp_registration_is_cgroup(const char *path);
