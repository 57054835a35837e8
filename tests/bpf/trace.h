/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The tracepoints attached, with a cgroup of the test as their scope, so that
 * only its processes leave records. The links are descriptors of this process
 * and end with it, however it ends.
 */
#pragma once

#include <sys/types.h>

#include "bpf/slot.h"

struct trace_fixture;

/*
 * For a group whose tests apply no policy: they share one loaded object, which
 * takes seconds to load on some kernels, and each finds no record in it.
 */
int trace_group_setup(void **state);
int trace_group_teardown(void **state);

/* The fixture's loaded object, its own cgroup below the v2 root. */
int trace_fixture_setup(void **state);
int trace_fixture_teardown(void **state);

struct slot_fixture *trace_fixture_slot(struct trace_fixture *fx);

/* Absolute path of the cgroup. */
const char *trace_fixture_cgroup(const struct trace_fixture *fx);

/* The name of that cgroup, a child of the root. */
const char *trace_fixture_name(const struct trace_fixture *fx);

/* Makes a cgroup below it, "/" first. @return its id */
uint64_t trace_mkdir(const struct trace_fixture *fx, const char *below);
/* Waits for a last process that is on its way out. */
void trace_rmdir(const struct trace_fixture *fx, const char *below);

/* Attaches all five; until then the fixture sees nothing. */
void trace_fixture_attach(struct trace_fixture *fx);

/* Moves a process (0: the caller) to a cgroup directory. */
void trace_move(const char *dir, pid_t pid);

/* @return 0; -1: there is none */
int trace_record(struct trace_fixture *fx, pid_t tgid, struct msp_exec *ret);

/*
 * Makes the table `outer` of a slot, as mspd does but by hand.
 * @param template name of the map whose shape it has
 * @return its descriptor, owned by the caller
 */
int trace_table(struct trace_fixture *fx, const char *outer,
                const char *template, uint32_t slot, uint32_t entries);

/*
 * Interrupts on CPU 0 all the time, where this thread runs from now on, so that
 * any two steps of it can be far apart.
 * @return descriptor that ends it; -1
 */
int trace_shake(void);

/* Wants to connect to IMDS so many times; whatever becomes of it. */
void trace_ask(unsigned int times);
