/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the files of the fourth stage share: lower.c has the rows of requests
 * and the steps, lower_identity.c those of callers.
 */
#pragma once

#include "cgroup.h"
#include "intern.h"
#include "lower.h"

/* All privileges of one path. */
struct path_group {
    const struct rule_privilege *const *privilege; /* [n], document order */
    size_t n;
};

struct lowering {
    const struct policy_rules *rules;
    struct report *report;
    struct msp_tables *tables;
    struct intern strings; /* text -> offset */
    struct intern sets;    /* set -> id */
    struct msp_idset *set; /* [n_sets], owned; stays where it is */
    size_t n_sets;
    const struct rule_privilege **sorted; /* [n_privileges], by path; owned */
    struct path_group *group;             /* [n_groups], owned */
    size_t n_groups;
    struct intern paths[MSP_ENDPOINTS_MAX]; /* path -> group */
    bool is_over;                           /* conditions over their limit */
    struct cgroup_automaton cgroups;
    uint32_t *exe; /* [n_identities], index of its file; owned */
};

/* n more zeroed rows at the end. @return the first; NULL = no memory */
void *msp_lower_add_rows(struct rows *rows, size_t n);

/* Room for n rows, where the number is known. @return 0; -ENOMEM */
int msp_lower_reserve(struct rows *rows, size_t n);

/* One more row, copied. @return 0; -ENOMEM */
int msp_lower_add(struct lowering *l, enum msp_section section,
                  const void *row);

/* Equal texts have one place in the table. @return 0; -ENOMEM */
int msp_lower_string(struct lowering *l, const char *text, uint32_t *ret_off);

/* @return its index; there is room for every set there can be */
uint32_t msp_lower_set(struct lowering *l, const struct msp_idset *set);

/* Steps, in this order. @return 0, also when a limit was reported; -ENOMEM */
int msp_lower_patterns(struct lowering *l);
int msp_lower_exes(struct lowering *l);
int msp_lower_identities(struct lowering *l);
int msp_lower_processes(struct lowering *l);
int msp_lower_cgroups(struct lowering *l);
/* Sets lifts_root_gate; where the rows of identities are. */
int msp_lower_lifts(struct lowering *l);
