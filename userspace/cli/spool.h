/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Registrations that wait for mspd in a directory (include/msp/container.h).
 * Each file is whole or absent; its name is the id of its cgroup, so it cannot
 * be another's.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * Leaves a record for mspd; replaces one of the same cgroup.
 * @param dir made if missing, and the directory it is in
 * @param record [len] one record
 * @return 0; -EPERM the directory is another user's, or open to others;
 *         -EDQUOT too many wait; other errno
 */
int msp_spool_write(const char *dir, uint64_t cgroup_id, const void *record,
                    size_t len);

/*
 * Removes the registrations of one container that ended: not those whose cgroup
 * has processes, for another container has the id by now.
 * @param id field "id" of the record
 * @return 0, also if there was none; -EPERM; other errno
 */
int msp_spool_forget(const char *dir, const char *id);
