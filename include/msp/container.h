/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A container as its runtime or a node agent tells of it: the record of the
 * control protocol that registers one, the same text in the spool of the hook
 * and in the registry of mspd. A container is one cgroup and what is below it.
 *
 * Fields of a registration; all but `cgroup` may be absent, each text ends
 * where it is longer than its limit with an error, none is cut:
 *     s cgroup               path below the cgroup2 mount, "/a/b", canonical
 *     s id                   the runtime's
 *     s name
 *     s image
 *     s runtime              what told: docker, containerd, crio, podman, ...
 *     s label                "key=value", repeated, keys once each
 *     s pod.namespace
 *     s pod.name
 *     s pod.service_account
 *     s pod.label            as label
 *     s netns                path of its network namespace, for the listener
 *     s root                 path of its root directory on the host
 *     u pid                  of its first process, for what is not told else
 *     u cgroup_id            of `cgroup` when this was told; a cgroup of that
 *                            path that has another one now is another container
 *     u told_ns              CLOCK_MONOTONIC of when it was told; of the spool
 *                            and the registry's files, else it is now
 *     b ended                REMOVE only: not while its cgroup has processes,
 *                            for then another container has the id by now
 *
 * MSP_CTL_CONTAINER_ADD     one record; the cgroup has none yet, or the same:
 *                           another one is taken away, and this one refused
 * MSP_CTL_CONTAINER_SET     one record; replaces all that was known
 * MSP_CTL_CONTAINER_UPDATE  one record of a container that is known, by `cgroup`
 *                           or without it by `id`; what is not in it stays,
 *                           labels by their keys
 * MSP_CTL_CONTAINER_REMOVE  one record with `cgroup` or `id`
 * MSP_CTL_CONTAINER_LIST    no payload; items "container", fields as above
 *                           with u cgroup_id, u identities (in force)
 *
 * The spool is a directory 0700 of root. Each file in it, 0600, is one record
 * to add that has `cgroup_id`, and is named by it: 16 lower-case hex digits. A
 * file whose name begins with a dot is not finished yet. One that was told
 * before what is known of the cgroup, or does not say when, changes nothing. A
 * hook removes those of a container that ended.
 */
#pragma once

/* Where registrations wait while mspd is down. */
#define MSP_CONTAINER_SPOOL "/run/mspd/spool"

/* Limits in bytes with the NUL, as MSP_NAME_BYTES in limits.h. */
#define MSP_CONTAINER_TEXT_BYTES  256 /* id, name, namespace, account, a key */
#define MSP_CONTAINER_IMAGE_BYTES 512
#define MSP_CONTAINER_VALUE_BYTES 256 /* of a label */
#define MSP_CONTAINER_LABELS_MAX  64  /* of the container, and of the pod */
#define MSP_CONTAINER_RECORD_MAX  (64u << 10)
#define MSP_CONTAINER_SPOOLED_MAX 16384 /* files; as MSP_CONTAINERS_MAX */
