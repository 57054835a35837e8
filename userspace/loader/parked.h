/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Namespaces that ask for a listener, and their rows; see <msp/parked.h>. */
#pragma once

#include <stddef.h>

#include "loader/load.h"

typedef void (*msp_park_fn)(void *data, const struct msp_park *park);

/*
 * Opens the ring and maps the tickets.
 * @return descriptor that is readable while there are records, the loader's;
 *         negative errno, `why` set
 */
int msp_parked_open(struct msp_loader *loader, msp_park_fn fn, void *data);
/* Calls the function of msp_parked_open for what is there; never waits. */
void msp_parked_drain(struct msp_loader *loader);

/* Gives the ticket of a record back, unless it is somebody else's by now. */
void msp_parked_release(struct msp_loader *loader, const struct msp_park *park);

/*
 * The listener could not be made. The row goes, so that the next connect asks
 * again, or says MSP_NETNS_FAILED for MSP_PARK_BACKOFF_NS. A row that is
 * MSP_NETNS_READY stays.
 * @param now_ns CLOCK_MONOTONIC
 */
void msp_parked_fail(const struct msp_loader *loader,
                     const struct msp_park *park, bool is_backoff,
                     uint64_t now_ns);

/*
 * Deletes rows that wait and whose time is over.
 * @return how many others wait; negative errno
 */
int msp_parked_expire(const struct msp_loader *loader, uint64_t now_ns);
