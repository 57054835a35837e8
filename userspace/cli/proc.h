/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What /proc tells about a process and about the mount of cgroup v2. A hook
 * runs in the host's namespaces; what it cannot see from there has no path.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The cgroup v2 path in the text of /proc/PID/cgroup.
 * @param text [len] and a NUL; written to; ret_path points into it
 * @return 0; -ENOENT no cgroup v2 there; -ESTALE the cgroup is removed;
 *         -EXDEV it is outside of what this process can see; -EBADMSG
 */
int msp_proc_cgroup_parse(char *text, size_t len, const char **ret_path);

/*
 * The cgroup v2 path of a process.
 * @param pid 0 = the caller
 * @param ret_path "/" or "/a/b"
 * @return 0; as above; errno of reading it: -ENOENT no such process
 */
int msp_proc_cgroup(uint32_t pid, char ret_path[static PATH_MAX]);

/*
 * The next directory on which the root of cgroup v2 is mounted, in the text of
 * /proc/PID/mountinfo; another mount may hide it.
 * @param cursor at a line; NUL-terminated, written to and moved
 * @return NULL = no more
 */
const char *msp_proc_cgroup_mount_parse(char **cursor);

/*
 * The id of a cgroup, which no other has had since boot.
 * @param path as of msp_proc_cgroup()
 * @return 0; -ENOENT no such cgroup, or no mount of cgroup v2; errno
 */
int msp_proc_cgroup_id(const char *path, uint64_t *ret_id);

/*
 * Whether the cgroup has processes, itself or below.
 * @param path, id of the one that is meant
 * @return false also where another one has the path, or it cannot be told
 */
bool msp_proc_cgroup_is_populated(const char *path, uint64_t id);

/* The first of them that is not hidden. @return 0; -ENOENT there is none; errno */
int msp_proc_cgroup_mount(char ret_path[static PATH_MAX]);
