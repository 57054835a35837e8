/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Cgroup patterns to one deterministic automaton: a cgroup's state follows
 * from its parent's and its own name, whatever the number of patterns. It
 * knows no document; what it cannot follow is a limit, reported.
 */
#pragma once

#include <msp/image.h>

#include "report.h"

struct cgroup_pattern {
    const char *text; /* canonical, borrowed */
    uint32_t identity;
    bool is_unit; /* of an identity's unit, else of its cgroup */
};

/* Identities that have a pattern which covers the cgroups of one state. */
struct cgroup_match {
    struct msp_idset cgroup;
    struct msp_idset unit;
};

struct cgroup_automaton {
    struct cgroup_match *state;     /* [n_states], owned; 0 = the root cgroup */
    size_t n_states;                /* 0 = no pattern */
    struct msp_image_cg_edge *edge; /* [n_edges], owned, sorted by key */
    size_t n_edges;
};

/*
 * States are numbered as they are found from the root, edges in order.
 * @param pattern [n]
 * @param ret msp_cgroup_done(), also after a failure
 * @return 0, also when a limit was reported; -ENOMEM
 */
int msp_cgroup_build(const struct cgroup_pattern *pattern, size_t n,
                     struct report *report, struct cgroup_automaton *ret);

void msp_cgroup_done(struct cgroup_automaton *automaton);
