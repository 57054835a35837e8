/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Users and groups of the host by name, through NSS. May block. */
#pragma once

#include <msp/child.h>

/*
 * Fills is_found and id of every name of the query.
 * @return 0; -EBADMSG malformed; negative errno: the database could not be
 *         asked (then no answer is better than "unknown")
 */
int msp_lookup_names(struct msp_child_names *names);
