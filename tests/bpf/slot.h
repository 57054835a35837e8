/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A loaded object on a bpf file system of the test, nothing attached: apply
 * images, run `authorize`. Needs root.
 */
#pragma once

#include <msp/abi.h>
#include <msp/image.h>

struct slot_fixture;
struct msp_loader;

int slot_fixture_setup(void **state);
int slot_fixture_teardown(void **state);

/*
 * Applies; names of users and groups resolve to nothing.
 * @return as msp_tables_apply
 */
int slot_fixture_try(struct slot_fixture *fx, const struct msp_image *image);
/* The same; it must succeed, and old generations are swept. */
void slot_fixture_apply(struct slot_fixture *fx, const struct msp_image *image);

/* A document's image. @param ret_bytes what it stands in; free() */
void slot_fixture_compile(const char *text, uint8_t **ret_bytes,
                          struct msp_image *ret_image);

/* Page 0 of msp_requests. */
struct msp_request *slot_fixture_page(struct slot_fixture *fx);

/* Identity epoch in force. */
uint32_t slot_fixture_epoch(struct slot_fixture *fx);

/* The loader, for what only one test needs. */
struct msp_loader *slot_fixture_loader(struct slot_fixture *fx);

/* Hands on all the ring has, to the functions of msp_events_open. */
void slot_drain(struct msp_loader *loader);

/* Runs `authorize` on page 0; its answer is in the page. */
void slot_fixture_authorize(struct slot_fixture *fx);
