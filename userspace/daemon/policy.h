/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The policy in force and the way to a new one: check the image, resolve its
 * names, find its files, build rows, apply, store. One job at a time, others
 * wait. Logs what was applied or refused. Files that change while a policy is
 * in force change its rows without a job.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <msp/ctl.h>
#include <msp/image.h>

#include "daemon/containers.h"
#include "daemon/ctrexes.h"
#include "daemon/exes.h"
#include "daemon/names.h"
#include "daemon/opens.h"
#include "loader/tables.h"
#include "loader/target.h"

/* Image bytes with their checked view and what their names meant. */
struct msp_held {
    char *bytes; /* owned; NULL = none known */
    size_t len;
    struct msp_image image;
    struct msp_resolved *resolved; /* owned; may be NULL */
};

struct msp_push_result {
    enum msp_ctl_status status;
    const char *why;             /* for a refusal, else "" */
    struct msp_slot_meta before; /* live then */
    struct msp_slot_meta now;    /* live now */
    const struct msp_held *held; /* the pushed one, borrowed; may be NULL */
    bool is_dry_run;
};

typedef void (*msp_policy_fn)(void *data, const struct msp_push_result *result);

struct msp_policy_job;

/* Whose policy is in force. */
enum msp_origin {
    MSP_ORIGIN_BOOTSTRAP = 0,
    MSP_ORIGIN_PUSH,
    MSP_ORIGIN_HOST,
    MSP_ORIGIN_COUNT,
};

struct msp_policy {
    struct msp_loader *loader;         /* borrowed */
    struct msp_names *names;           /* borrowed */
    struct msp_opens *opens;           /* borrowed */
    struct msp_containers *containers; /* borrowed */
    int state_fd;                      /* borrowed */
    bool is_bootstrap_deny;
    struct msp_held live;
    struct msp_rows rows; /* of the live policy, if is_live_known */
    struct msp_targets targets;
    struct msp_exes exes;
    struct msp_ctrexes ctrexes;
    uint64_t recalled_ms; /* when rows of an earlier mspd were taken over; 0 */
    struct msp_timer replan;      /* several registrations make one plan */
    struct msp_exe_rows exe_rows; /* as written to the live slot */
    struct msp_timer rewrite;     /* tries again what could not be written */
    bool is_live_known;
    enum msp_origin origin;
    bool follows_host;         /* the host's goes before what was pushed */
    struct msp_held host;      /* what the host said last; may be none */
    struct msp_timer settling; /* tries again what could not be applied */
    bool is_unstored; /* in force, but the next boot would not know it */
    struct msp_policy_job *first; /* owned queue; the first one runs */
    struct msp_timer sweep;
    uint64_t sweep_limit;
    void (*flipped)(void *data); /* a new one is live; set by the owner */
    void *flipped_data;
};

/* What a policy works with; all borrowed. */
struct msp_policy_parts {
    struct msp_loop *loop;
    struct msp_loader *loader;
    struct msp_names *names;
    struct msp_opens *opens;
    struct msp_containers *containers;
    int state_fd;
};

/* @return 0; negative errno: release with msp_policy_done all the same */
int msp_policy_init(struct msp_policy *policy,
                    const struct msp_policy_parts *parts,
                    bool is_bootstrap_deny, bool follows_host);
void msp_policy_done(struct msp_policy *policy);

/*
 * Queues a push. fn is called exactly once, perhaps before this returns.
 * @param bytes [len] taken over, malloc'ed
 * @param flags MSP_PUSH_*
 * @return 0; -ENOMEM (bytes are freed)
 */
int msp_policy_push(struct msp_policy *policy, char *bytes, size_t len,
                    uint32_t flags, const uint8_t expect[MSP_DIGEST_BYTES],
                    msp_policy_fn fn, void *data);

/*
 * The same for the image accepted before the last one, which thereby becomes
 * the last one. Refused if there is none. @return as msp_policy_push
 */
int msp_policy_rollback(struct msp_policy *policy, uint32_t flags,
                        const uint8_t expect[MSP_DIGEST_BYTES],
                        msp_policy_fn fn, void *data);

/*
 * Makes sure something is in force: what the pins hold, else the stored image,
 * else the bootstrap. fn as above.
 */
int msp_policy_restore(struct msp_policy *policy, msp_policy_fn fn, void *data);

/* The host's users changed: resolve again, apply if an id did. */
void msp_policy_names_changed(struct msp_policy *policy);

/* A selector of an identity that matches nobody on this host now. */
struct msp_unresolved {
    uint32_t index; /* of the identity, ascending */
    const char *identity;
    const char *selector; /* as in the document */
    const char *value;
    const char *why;
};

typedef void (*msp_unresolved_fn)(void *data,
                                  const struct msp_unresolved *unresolved);

/* @param held the live one, or the one a result hands out */
void msp_policy_unresolved(const struct msp_policy *policy,
                           const struct msp_held *held, msp_unresolved_fn fn,
                           void *data);

/* --- policyhost.c: what the host says goes before what was pushed --------- */

/*
 * The host's policy, as it is now. While it enforces or audits anything it is
 * the one in force and pushes are refused; else what was pushed last is.
 * @param bytes [len] taken over, malloc'ed
 * @param is_fallback stands for one that was refused: counts only where the
 *        host's enforces nothing, or there is none
 * @return 0; -EPROTO no sound image; -ENOMEM
 */
int msp_policy_host(struct msp_policy *policy, char *bytes, size_t len,
                    bool is_fallback);

/* Whether a push would weaken, or be undone by, what the host says. */
bool msp_policy_host_rules(const struct msp_policy *policy);

/* Reads what the host said last before this start. */
void msp_policy_host_recall(struct msp_policy *policy);
/* Brings into force what has to be, if it is not. */
void msp_policy_settle(struct msp_policy *policy);
/* The host's came into force: the next boot is to know it. */
void msp_policy_host_store(struct msp_policy *policy);
void msp_policy_host_init(struct msp_policy *policy, struct msp_loop *loop);
void msp_policy_host_done(struct msp_policy *policy);

/* "bootstrap", "push", "host" */
const char *msp_origin_name(enum msp_origin origin);

/* --- policy.c, for policyhost.c ------------------------------------------ */

/* Queues an image that is not a push. @param bytes taken over */
int msp_policy_enact(struct msp_policy *policy, char *bytes, size_t len,
                     enum msp_origin origin, msp_policy_fn fn, void *data);
/* A copy, without what its names meant. @return 0; -ENOMEM */
int msp_held_copy(const struct msp_held *held, struct msp_held *ret);
void msp_held_done(struct msp_held *held);

/* --- policyfiles.c, for policy.c ---------------------------------------- */

int msp_policy_files_init(struct msp_policy *policy, struct msp_loop *loop);
void msp_policy_files_done(struct msp_policy *policy);

/* The rows of the files of an image as they are known now. @return 0; -ENOMEM
 */
int msp_policy_files_rows(const struct msp_policy *policy,
                          const struct msp_held *held,
                          const struct msp_rows *rows,
                          struct msp_exe_rows *ret);

enum {
    MSP_CROWDED_BYTES = 256
};

/*
 * Which files of `rows` found no room, with the container that lacks most by
 * its name. @param ret_text empty: none
 */
void msp_policy_files_crowded(const struct msp_policy *policy,
                              const struct msp_exe_rows *rows,
                              char ret_text[MSP_CROWDED_BYTES]);

/* Takes over what the live slot of an earlier mspd says of the live image. */
int msp_policy_files_recall(struct msp_policy *policy);

/* Writes the rows of the live slot anew, where they changed. Logs. */
void msp_policy_files_changed(struct msp_policy *policy);
