/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A loaded object whose tracepoints are attached, with a cgroup of its own
 * that is the scope and that the test is in. Nothing is pinned: whatever ends
 * the test ends the links. Needs root.
 */
#pragma once

#include <sys/types.h>

#include <msp/abi.h>

#include "loader/load.h"

#define TRACE_PATH_BYTES 4096

struct trace {
    struct msp_loader loader; /* skel and meta only; for loader/iter.h */
    char root[256];           /* mount of cgroup v2 */
    char name[64];            /* the test's cgroup, "/" first */
    char before[256];         /* where the test was, "/" first */
    uint64_t id;              /* of the test's cgroup */
    int link_fd[MSP_PROG_CGROUP_LINKS];
};

/* @param entries of msp_exec. @return 0; -1, told why */
int trace_setup(struct trace *t, uint32_t entries);
void trace_teardown(struct trace *t);

/* Attaches exec, fork, exit, mkdir, rmdir. */
void trace_attach(struct trace *t);

/* --- cgroups; paths are below the test's own, "" is that one ------------- */

void trace_path(const struct trace *t, const char *below, char *ret);
/* @return the id of a new one */
uint64_t trace_mkdir(const struct trace *t, const char *below);
void trace_rmdir(const struct trace *t, const char *below);
/* Moves a process, 0 = the caller, to a path below the mount of cgroup v2. */
void trace_move(const struct trace *t, pid_t pid, const char *path);

/* --- maps ---------------------------------------------------------------- */

/* The record of a process. @return false: there is none */
bool trace_record(const struct trace *t, pid_t pid, struct msp_exec *ret);
uint64_t trace_stat(const struct trace *t, enum msp_stat stat);

/*
 * Makes the table `outer` of a slot. The caller closes the descriptor.
 * @param template name of the map it has the shape of
 */
int trace_table(const struct trace *t, const char *outer, const char *template,
                uint32_t slot, uint32_t entries);
