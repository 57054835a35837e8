/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Paths of cgroups by their ids, asked of the kernel and remembered: an id is
 * never given twice, and a cgroup of v2 never changes its name.
 */
#pragma once

#include <stdint.h>

struct msp_loader;

enum {
    MSP_CGPATHS_KEPT = 256
};

struct msp_cgpath {
    uint64_t id;
    char *path; /* owned */
};

/* Zero-initialised but for `loader`. */
struct msp_cgpaths {
    struct msp_loader *loader; /* borrowed */
    struct msp_cgpath kept[MSP_CGPATHS_KEPT];
};

/* @return the path, valid until the next call; NULL: there is none of that id,
 *         or it could not be asked for */
const char *msp_cgpaths_find(struct msp_cgpaths *paths, uint64_t cgroup_id);
void msp_cgpaths_done(struct msp_cgpaths *paths);
