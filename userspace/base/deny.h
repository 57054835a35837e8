/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A filter for processes whose calls cannot all be named, because libraries of
 * others run in them (NSS) or because they open what they are told to: what
 * none of them ever needs ends the process. For one whose calls are known see
 * proxy/sandbox.h.
 */
#pragma once

#include <stdbool.h>

/*
 * From here on these end the process and its children: other programs, other
 * processes' memory and descriptors, mounts, modules, new namespaces,
 * io_uring, perf, userfaultfd, every bpf() but the update of a map, calls of
 * another ABI. Needs no_new_privs.
 * @param may_setns whether existing namespaces may be entered
 * @return 0; negative errno. On an error the caller must exit.
 */
int msp_deny_enter(bool may_setns);
