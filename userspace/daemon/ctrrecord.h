/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What is told of one container (include/msp/container.h): text to a checked
 * record and back. Sans-IO; the same text comes by the control socket, from
 * the spool and from the registry's own files.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <msp/container.h>

#include "base/rec.h"
#include "loader/ctrmatch.h"

/* The texts a record may have once each. */
enum msp_ctr_text {
    MSP_CTR_CGROUP = 0, /* "/a/b" below the cgroup2 mount; canonical */
    MSP_CTR_ID,
    MSP_CTR_NAME,
    MSP_CTR_IMAGE,
    MSP_CTR_RUNTIME,
    MSP_CTR_POD_NAMESPACE,
    MSP_CTR_POD_NAME,
    MSP_CTR_POD_ACCOUNT,
    MSP_CTR_NETNS,
    MSP_CTR_ROOT,
    MSP_CTR_TEXT_COUNT,
};

/* Zero-initialised: empty. */
struct msp_ctr_record {
    char *bytes;                          /* owned; the texts are in it */
    const char *text[MSP_CTR_TEXT_COUNT]; /* NULL: not told */
    uint64_t pid;                         /* 0: not told, as the next */
    uint64_t cgroup_id;
    uint64_t told_ns;          /* CLOCK_MONOTONIC; 0: not told */
    bool is_ended_only;        /* to remove: not one that has processes */
    struct msp_ctr_fact *fact; /* [n_facts], owned; what demands ask for */
    size_t n_facts;
};

/*
 * Reads one record and nothing after it. Fields nobody knows are passed over.
 * @param text [len] not changed
 * @param ret empty; msp_ctr_record_done()
 * @param reterr_why static text
 * @return 0; -EINVAL; -E2BIG over a limit; -ENOMEM
 */
int msp_ctr_record_parse(const char *text, size_t len,
                         struct msp_ctr_record *ret, const char **reterr_why);

/* Its fields but cgroup_id and told_ns, without the end. */
void msp_ctr_record_write(const struct msp_ctr_record *record,
                          struct msp_rec *rec);

/*
 * @return the first field of which both do not tell the same, static text:
 *         "pod.label"; NULL = of the container, and of where it is, they do
 */
const char *msp_ctr_record_difference(const struct msp_ctr_record *a,
                                      const struct msp_ctr_record *b);

/*
 * What is told now, and of what it does not tell what was told before; labels
 * by their keys. Of no cgroup_id.
 * @param ret empty; msp_ctr_record_done()
 * @param reterr_why static text
 * @return 0; as msp_ctr_record_parse
 */
int msp_ctr_record_merge(const struct msp_ctr_record *before,
                         const struct msp_ctr_record *now,
                         struct msp_ctr_record *ret, const char **reterr_why);

void msp_ctr_record_done(struct msp_ctr_record *record);

/* What the kernel's table for people shows; longer texts are cut. */
void msp_ctr_record_name(const struct msp_ctr_record *record,
                         struct msp_ctr_name *ret);
