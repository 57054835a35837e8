/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The registered containers: what is told of each, which identities of the
 * policy in force it is, and the kernel's tables of both. Knows neither the
 * control socket nor policies: an image comes with msp_containers_take().
 * Logs what came, changed and went.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <msp/ctl.h>

#include "daemon/ctrrecord.h"
#include "daemon/ctrstore.h"
#include "loader/ctrlive.h"
#include "loader/ctrmatch.h"

enum {
    MSP_CONTAINERS_KEPT = 256,
    MSP_CONTAINERS_LOOKS = 64, /* at cgroups, in one sweep */
    MSP_CONTAINERS_WHY_BYTES = 2 * PATH_MAX + 128
};

struct msp_container_entry {
    uint64_t id; /* of its cgroup */
    struct msp_ctr_record record;
    uint32_t n_identities; /* of the policy in force */
    int top_error;         /* 0: the kernel knows its cgroups; -errno */
    int row_error;         /* 0: and its identities */
};

struct msp_containers {
    struct msp_loader *loader; /* borrowed */
    struct msp_ctr_store store;
    int mount_fd;                       /* borrowed; of the cgroup2 mount */
    struct msp_container_entry **entry; /* owned; [n], sorted by id */
    size_t n, cap;
    struct msp_ctr_match match; /* of the policy in force */
    bool has_match;
    uint64_t n_left;    /* cgroups without a row, when last looked */
    uint64_t n_dropped; /* MSP_STAT_CONTAINER_DROPPED at that time */
    size_t next_look;   /* index, of the next sweep */
    bool is_bulk;       /* many come: cgroups below are looked at once, after */
    uint64_t n_bad;     /* files of the spool that were moved aside */
    char why[MSP_CONTAINERS_WHY_BYTES]; /* of the last request */

    struct {
        uint64_t cgroup, top;
    } kept[MSP_CONTAINERS_KEPT]; /* answers of the kernel */

    /* some came, changed or went; set by the policy, may be NULL */
    void (*changed)(void *data);
    void *changed_data;
    /* one was told of by the spool; set by the owner, may be NULL */
    void (*told)(void *data, const struct msp_container_entry *entry);
    void *told_data;
};

/*
 * @param mount_fd O_PATH, must outlive the registry
 * @return 0; negative errno: release with msp_containers_done all the same
 */
int msp_containers_open(struct msp_containers *containers,
                        struct msp_loader *loader, int run_fd, int mount_fd);
void msp_containers_done(struct msp_containers *containers);

/*
 * Takes up what an earlier mspd had registered and what the kernel has of it.
 * Before anything asks for rows. @return 0; negative errno, logged
 */
int msp_containers_load(struct msp_containers *containers);

/* Reads and empties the spool. */
void msp_containers_spool(struct msp_containers *containers);

struct msp_container_result {
    enum msp_ctl_status status;
    const char *why;                         /* until the next request; "" */
    const struct msp_container_entry *entry; /* borrowed; NULL: none */
    bool is_known; /* the same was registered before */
    bool is_gone;  /* refused: its cgroup is not there any more, or it was told
                    * before what is known of it */
};

/*
 * ADD and SET: the record says which cgroup. While it is replaced a connect
 * sees the identities of before or those of now.
 * @param text [len], one record
 * @param may_replace another record of this cgroup gives way to this one; else
 * it goes as well, and this one is refused
 */
struct msp_container_result
msp_containers_set(struct msp_containers *containers, const char *text,
                   size_t len, bool may_replace);

/*
 * UPDATE: the record has the cgroup, or an id of the runtime; what it does not
 * tell stays as it is. As above.
 */
struct msp_container_result
msp_containers_update(struct msp_containers *containers, const char *text,
                      size_t len);

/*
 * REMOVE: the record has the cgroup, or an id of the runtime; it may want only
 * what has ended.
 * @param ret_n how many there were
 */
struct msp_container_result
msp_containers_remove(struct msp_containers *containers, const char *text,
                      size_t len, size_t *ret_n);

/* The kernel says that its cgroup has gone. */
void msp_containers_gone(struct msp_containers *containers, uint64_t id);

/* Looks for cgroups that went unseen, and for room where there was none. */
void msp_containers_sweep(struct msp_containers *containers);

/* --- the policy --------------------------------------------------------- */

/*
 * The rows an image gives the containers that are there.
 * @param ret_match of the image, which must outlive it; msp_ctr_match_done()
 * @return 0; -ENOMEM
 */
int msp_containers_rows(struct msp_containers *containers,
                        const struct msp_image *image,
                        struct msp_ctr_match *ret_match,
                        struct msp_ctr_rows *ret_rows);

/* That image is in force, its rows are in the live slot. @param match taken
 * over */
void msp_containers_take(struct msp_containers *containers,
                         struct msp_ctr_match *match);

/* Writes the rows of all anew: an earlier mspd may not have come to it. */
void msp_containers_rewrite(struct msp_containers *containers);

/* The image goes, or is not known: nobody gets identities meanwhile. */
void msp_containers_forget(struct msp_containers *containers);

/* --- who is who --------------------------------------------------------- */

/* @param cgroup_id of any of its cgroups @return NULL: of none */
const struct msp_container_entry *
msp_containers_find(struct msp_containers *containers, uint64_t cgroup_id);

/* Containers or cgroups of them that lack a row. */
uint64_t msp_containers_unfilled(const struct msp_containers *containers);
