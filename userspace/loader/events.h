/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Reading what the programs wrote: ring records, audit rows, counters. */
#pragma once

#include "loader/load.h"

typedef void (*msp_event_fn)(void *data, const struct msp_event *event);
typedef void (*msp_audit_fn)(void *data, const struct msp_audit_key *key,
                             const struct msp_audit *audit);
typedef void (*msp_counter_fn)(void *data, const struct msp_counter_key *key,
                               uint64_t count);
typedef void (*msp_listener_fn)(void *data, uint64_t cookie,
                                const struct msp_netns *netns);

/* @param id of the top cgroup of a container, which has gone */
typedef void (*msp_gone_fn)(void *data, uint64_t id);

/* Opens the ring. @return 0; negative errno, `why` set */
int msp_events_open(struct msp_loader *loader, msp_event_fn fn,
                    msp_gone_fn gone, void *data);

/*
 * Calls the functions of msp_events_open for what is there, at most for
 * MSP_RING_BATCH records or MSP_RING_BATCH_MS, whatever comes meanwhile; never
 * waits. @return 0; 1 there may be more; negative errno
 */
int msp_events_drain(struct msp_loader *loader);

struct msp_audit_size {
    uint64_t n_rows;
    uint64_t n_evicted; /* made by the programs, and gone */
};

/*
 * How much the audit map holds and has lost. The kernel does not count what it
 * evicts, so this is what was inserted less what is there; rows inserted
 * meanwhile are not yet counted as lost. @return 0; negative errno
 */
int msp_events_audit_size(const struct msp_loader *loader,
                          struct msp_audit_size *ret);

/* Rows may change meanwhile; each one is a copy. @return 0; negative errno */
int msp_events_audit(const struct msp_loader *loader, msp_audit_fn fn,
                     void *data);
/* What is counted on cgroup 0 is of cgroups without a row of their own. */
int msp_events_counters(const struct msp_loader *loader, msp_counter_fn fn,
                        void *data);

/* Zero-initialised. */
struct msp_counters_sweep {
    uint32_t next; /* where the next one goes on */
};

/*
 * If the counters are over half full: looks for MSP_COUNTERS_SWEEP_MS at rows
 * by turns, and adds those of cgroups that are gone to the common ones.
 * @return rows taken away; negative errno
 */
int msp_events_counters_sweep(struct msp_loader *loader,
                              struct msp_counters_sweep *sweep);

/* @return 0; negative errno */
int msp_events_stat(const struct msp_loader *loader, enum msp_stat stat,
                    uint64_t *ret_value);

/* --- rows of msp_netns (cookie -> listener) ----------------------------- */

int msp_netns_row_set(const struct msp_loader *loader, uint64_t cookie,
                      const struct msp_netns *row);
int msp_netns_row_delete(const struct msp_loader *loader, uint64_t cookie);
/* fn may delete the row it is called for. */
int msp_netns_row_each(const struct msp_loader *loader, msp_listener_fn fn,
                       void *data);
