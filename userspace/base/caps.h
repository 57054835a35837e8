/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Giving privilege up for good, with a check that it is gone. A target of its
 * own (msp_caps), because it needs libcap. Not for getting privilege back.
 */
#pragma once

#include <stddef.h>

/*
 * Keeps only these capabilities: permitted and effective are exactly `keep`,
 * inheritable and ambient empty, the bounding set cut to `keep`, no_new_privs
 * set, the process not dumpable. Reads everything back afterwards. With n = 0
 * the bounding set is left alone: cutting it needs CAP_SETPCAP, and with an
 * empty permitted set and no_new_privs nothing of it can be gained.
 * @param keep [n] CAP_* numbers; n = 0 keeps none
 * @return 0; -EPERM one of `keep` is not ours or something could not be
 *         dropped; -EACCES the check afterwards failed. On an error the
 *         caller must exit.
 */
int msp_caps_reduce(const int *keep, size_t n);

/*
 * Gives up what is permitted and not in `keep`, for a process that was reduced
 * already; the bounding set stays, which no_new_privs makes harmless.
 * @param keep [n] CAP_* numbers; those the process lacks do not matter
 * @return 0; -ENOMEM; -EPERM. On an error the caller must exit.
 */
int msp_caps_shrink(const int *keep, size_t n);
