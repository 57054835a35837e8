/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Programs that mspd runs once, over tasks, its own files, or cgroups. */
#pragma once

#include <stddef.h>

#include "loader/load.h"

union bpf_iter_link_info;

/*
 * Starts an iterator.
 * @param name of the program, for `why`
 * @param info what it goes over; NULL: everything there is
 * @return descriptor to read what it writes; negative errno, `why` set
 */
int msp_iter_start(struct msp_loader *loader, int prog_fd, const char *name,
                   union bpf_iter_link_info *info);

/*
 * Takes down the processes that were there before the tracepoints; a process
 * that has a record keeps it. @return 0; negative errno, `why` set
 */
int msp_iter_tasks(struct msp_loader *loader);

/*
 * What the kernel says of the caller's own descriptors, at one moment.
 * @param ret_facts set on success; owned by the caller, free()
 * @param ret_n their number
 * @return 0; negative errno, `why` set
 */
int msp_iter_files(struct msp_loader *loader, struct msp_file_fact **ret_facts,
                   size_t *ret_n);

/*
 * Network namespaces that nothing holds but one of the caller's listeners.
 * @param ret_cookies set on success; owned by the caller, free()
 * @return 0; negative errno, `why` set
 */
int msp_iter_alone(struct msp_loader *loader, uint64_t **ret_cookies,
                   size_t *ret_n);

/*
 * Processes in network namespaces that have a row, one or more a namespace.
 * @param ret_tasks set on success; owned by the caller, free()
 * @return 0; negative errno, `why` set
 */
int msp_iter_netns(struct msp_loader *loader, struct msp_netns_task **ret_tasks,
                   size_t *ret_n);

/*
 * Id and name of every program with socket addresses that there is.
 * @param ret_facts set on success; owned by the caller, free()
 * @return 0; negative errno, `why` set
 */
int msp_iter_progs(struct msp_loader *loader, struct msp_prog_fact **ret_facts,
                   size_t *ret_n);

/*
 * Computes the rows of all cgroups in every slot that has tables. No cgroup
 * comes or goes meanwhile. Sets loader->cgroups_left.
 * @return 0; negative errno, `why` set
 */
int msp_iter_cgroups(struct msp_loader *loader);

/*
 * The same, if a cgroup was left without its row since: there may be room
 * now. @return 0; negative errno, `why` set
 */
int msp_iter_cgroups_left(struct msp_loader *loader);

/*
 * Brings one cgroup and those below it into line with the containers that are
 * registered. No cgroup comes or goes meanwhile.
 * @param cgroup_id 0: all there are @param ret_left rows without room
 * @return 0; -ENOENT it is gone; negative errno, `why` set
 */
int msp_iter_containers(struct msp_loader *loader, uint64_t cgroup_id,
                        uint64_t *ret_left);

/*
 * Path of a cgroup below the v2 root, "/" for the root itself.
 * @param size of `ret`, which gets a NUL
 * @return 0; -ENOENT there is none of that id; -ENAMETOOLONG; negative errno
 */
int msp_iter_cgroup_path(struct msp_loader *loader, uint64_t cgroup_id,
                         char *ret, size_t size);

/* @return there is no cgroup of that id (any more); false: it is not known */
bool msp_iter_cgroup_is_gone(struct msp_loader *loader, uint64_t cgroup_id);
