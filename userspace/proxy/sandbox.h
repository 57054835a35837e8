/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the process gives up, in this order: being seen by others of its uid,
 * new privileges, core files; then every system call the loop does not need.
 * Whatever needs a file, a library or a new kind of socket happens before.
 */
#pragma once

#include <stdint.h>

/* @return 0; -EPERM uid 0 or any capability; negative errno */
int msp_sandbox_check(void);

/* Not dumpable, no new privileges, no core, all descriptors allowed. */
int msp_sandbox_harden(void);

/*
 * How many descriptors connections may take: those that mspd, whose limit is
 * the same, does not give to listeners. @return 0; -EMFILE not one connection;
 * negative errno
 */
int msp_sandbox_files(uint32_t *ret_max);

/*
 * The system call filter; a call outside it kills the process. Of bpf() only
 * commands 1 (look up), 2 (update) and 10 (run) are left; of socket() only
 * IPv4 streams; nothing maps executable memory.
 */
int msp_sandbox_enter(void);
