/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A caller of the test's own, a real process in a cgroup and a network
 * namespace of its own that connects when told, and tables written by hand.
 */
#pragma once

#include <sys/types.h>

#include <msp/abi.h>

#include "loader/load.h"

enum {
    ALL_DIMS = MSP_SLOT_EXE_DIM | MSP_SLOT_PROCESS_DIM | MSP_SLOT_CGROUP_DIM,
    SET_ONE = 0, /* indices of msp_sets */
    SET_NOBODY = 1,
};

extern const struct msp_idset subject_one, subject_nobody;

struct subject {
    struct trace_fixture *trace;
    struct msp_loader *loader; /* of trace */
    uint32_t slot;
    int connect_fd; /* the link */
    int exe, sha, process, cgroup, states, sets;
    uint64_t cgroup_id;
    pid_t pid; /* the caller */
    int in, out;
    struct msp_exec record; /* its own */
    struct msp_event last;  /* what was said of the last connect */
    unsigned int said, granted;
};

/* A group's; *state is the subject. */
int subject_setup(void **state);
int subject_teardown(void **state);

/* Everybody is in `one`, by every dimension but those a test writes. */
void subject_fill(struct subject *s);

/* @param dims MSP_SLOT_*_DIM that count */
void subject_set_flags(struct subject *s, uint32_t dims);

/* The row of who has none in a dimension; in the others it is `one`. */
void subject_set_wild(struct subject *s, uint32_t dim,
                      const struct msp_idset *set);

/* A new table in the live slot. @return descriptor, owned by the caller */
int subject_table(struct subject *s, const char *outer, const char *template,
                  uint32_t entries);
