/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Which programs really run at our hooks for a process of a cgroup, and in
 * which order: ours must, and what others' programs make of an address is
 * judged only if they run before ours. Knows cgroups by descriptor only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "loader/load.h"

enum {
    MSP_EFFECTIVE_OWN_MAX = 64, /* as the kernel allows in one cgroup */
    MSP_EFFECTIVE_MAX = 512     /* of all levels together */
};

/* Where somebody else's program is attached, seen from ours. */
enum msp_foreign_place {
    MSP_FOREIGN_BELOW = 0, /* in a cgroup below */
    MSP_FOREIGN_SAME,      /* in the same one */
    MSP_FOREIGN_ABOVE,     /* above it; ours are not at the root then */
};

struct msp_foreign {
    enum msp_prog hook; /* our program there */
    uint32_t id;        /* of the program; 0 = ours does not run there */
    uint32_t flags;     /* BPF_F_ALLOW_* it was attached with */
    uint32_t position;  /* in the order they run, from 1; 0 = it never runs */
    uint32_t n_run;     /* that run there */
    enum msp_foreign_place place;
    bool is_after; /* it runs after ours, so nobody judges what it does */
};

typedef void (*msp_foreign_fn)(void *data, const struct msp_foreign *foreign);

/* What the kernel says of one hook in one cgroup. */
struct msp_effective {
    uint32_t own[MSP_EFFECTIVE_OWN_MAX]; /* [n_own] attached there */
    uint32_t n_own;
    uint32_t flags;                  /* of those */
    uint32_t run[MSP_EFFECTIVE_MAX]; /* [n_run] ids in the order they run */
    uint32_t n_run;
};

/*
 * Looks at one cgroup.
 * @param is_ours ours are attached there; else below
 * @param fn called for each program of others that is attached there at a hook
 *        where it could change an address, for those above too if is_ours; and
 *        with id 0 for each hook at which ours does not run
 * @return 0; -ENODEV the cgroup is being removed; negative errno
 */
int msp_effective_look(const struct msp_loader *loader, int cgroup_fd,
                       bool is_ours, msp_foreign_fn fn, void *data);

/*
 * Pure: what follows for one hook.
 * @param ours id of our program
 */
void msp_effective_judge(const struct msp_effective *effective,
                         enum msp_prog hook, uint32_t ours, bool is_ours,
                         msp_foreign_fn fn, void *data);

/* "below", "same" or "above". */
const char *msp_foreign_place_name(enum msp_foreign_place place);

/* "multi", "override" or "none", as bpftool says. */
const char *msp_foreign_flags_name(uint32_t flags);

/* Who still stops it where one that runs after ours leads to an endpoint. */
const char *msp_foreign_cover(enum msp_prog hook);

/*
 * Of somebody else's programs at a hook that exclude ours.
 * @return id of the first one; 0 none
 */
uint32_t msp_effective_excluder(int cgroup_fd, enum msp_prog hook);
