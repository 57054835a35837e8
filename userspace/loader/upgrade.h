/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Trees of other layouts in the pin directory: an earlier or a later mspd made
 * them. Ours is built beside and attached; while both are, a connection must
 * pass both. Then theirs is taken away.
 */
#pragma once

#include "loader/load.h"

/* Whether another layout's tree holds links. */
bool msp_upgrade_is_due(const struct msp_loader *loader);

/*
 * Looks at the links of the other trees; changes nothing.
 * @return 0; -EUCLEAN one is at another cgroup, or is no cgroup link at all;
 *         negative errno. `why` is set
 */
int msp_upgrade_check(struct msp_loader *loader, uint64_t cgroup_id);

/*
 * Removes the other trees and tells their proxies to drain.
 * @return 0; negative errno, `why` set: some are still in force
 */
int msp_upgrade_finish(struct msp_loader *loader);

/*
 * Takes everything out of force: links, pins and trees of every layout, and
 * the pin directory itself if nothing else is in it.
 * @return 0; negative errno, `why` set: some may be in force
 */
int msp_upgrade_detach(struct msp_loader *loader);
