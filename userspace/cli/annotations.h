/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Which annotations of a container are believed, by who made it: only those
 * that a container manager writes itself, last, from what its own API was
 * told. What the author of a pod or the user of an image may write is never
 * taken. The table is printed by `mspctl doctor`.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "cli/oci_state.h"
#include "cli/registration.h"

/* Fields that a hook may learn from annotations. */
enum msp_annotated {
    MSP_ANNOTATED_NAME,
    MSP_ANNOTATED_IMAGE,
    MSP_ANNOTATED_POD_NAMESPACE,
    MSP_ANNOTATED_POD_NAME,
    MSP_ANNOTATED_COUNT,
};

struct msp_manager {
    const char *name;                     /* --runtime of oci-hook */
    const char *key[MSP_ANNOTATED_COUNT]; /* NULL = it tells none */
};

/* [MSP_MANAGERS] */
#define MSP_MANAGERS 4
extern const struct msp_manager msp_managers[MSP_MANAGERS];

/* @return NULL = nothing of its annotations is believed */
const struct msp_manager *msp_manager_find(const char *name);

/* All names, for messages. */
#define MSP_MANAGER_NAMES "containerd, crio, docker, podman"

/*
 * Fills the fields that the manager's annotations tell; an empty one tells
 * nothing.
 * @param state outlives `reg`
 */
void msp_annotations_take(const struct msp_manager *manager,
                          const struct msp_oci_state *state,
                          struct msp_registration *reg);
