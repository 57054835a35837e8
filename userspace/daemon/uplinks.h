/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Keeps the guard on every device by which packets to an endpoint leave: found
 * by routes unless they are named, followed by rtnetlink, looked at again by
 * the clock, since a link that is detached tells nobody.
 */
#pragma once

#include "base/loop.h"
#include "daemon/devices.h"
#include "loader/uplink.h"

enum {
    MSP_UPLINK_NAMES_MAX = 32 /* the bits of `missing` */
};

struct msp_uplink_row {
    uint32_t ifindex;
    char name[IFNAMSIZ];
    enum msp_uplink_kind kind; /* NONE: not attached, `error` says why */
    int error;                 /* negative errno of the last try, or 0 */
    uint64_t n_restored;       /* times somebody had removed it */
    bool is_behind;            /* somebody's program runs before it */
};

/* "none", "tcx" or "clsact" */
const char *msp_uplink_kind_name(enum msp_uplink_kind kind);

struct msp_targets;

struct msp_uplinks {
    struct msp_loader *loader;
    const struct msp_targets *targets; /* borrowed: where the endpoints are */
    const char *const *names;          /* [n_names] borrowed, configured */
    size_t n_names;
    uint32_t missing;           /* bit i: names[i], as was logged last */
    bool is_off;                /* configured: none at all */
    struct msp_uplink_row *row; /* [n_rows] owned */
    size_t n_rows;
    int error; /* of the last look at the devices, negative errno or 0 */
    int fd;    /* -1: not watching */
    struct msp_source source;
    struct msp_timer settle; /* after changes */
    struct msp_timer check;  /* by the clock */
};

/*
 * Looks for the first time and begins to watch. A device that cannot be
 * guarded is in its row, not an error.
 * @param targets borrowed, may change between calls of the loop
 * @return 0; negative errno: devices cannot be watched
 */
int msp_uplinks_start(struct msp_uplinks *uplinks, struct msp_loop *loop,
                      struct msp_loader *loader,
                      const struct msp_targets *targets,
                      const char *const *names, size_t n_names);

/* Endpoints may have other addresses now. */
void msp_uplinks_refresh(struct msp_uplinks *uplinks);

/* Whether every device that is wanted has its guard. */
bool msp_uplinks_are_whole(const struct msp_uplinks *uplinks);

/*
 * Those that were named and are not there, under that name at least.
 * @param i of the names
 */
bool msp_uplinks_is_missing(const struct msp_uplinks *uplinks, size_t i);

/* Whether somebody's program runs before one, and may let frames past it. */
bool msp_uplinks_are_behind(const struct msp_uplinks *uplinks);

/* Stops watching; what is attached stays. */
void msp_uplinks_done(struct msp_uplinks *uplinks);
