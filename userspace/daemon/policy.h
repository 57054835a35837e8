/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The policy in force and the way to a new one: check the image, resolve its
 * names, build rows, apply, store. One job at a time, others wait. Logs what
 * was applied or refused.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <msp/ctl.h>
#include <msp/image.h>

#include "daemon/names.h"
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

struct msp_policy {
    struct msp_loader *loader; /* borrowed */
    struct msp_names *names;   /* borrowed */
    int state_fd;              /* borrowed */
    bool is_bootstrap_deny;
    struct msp_held live;
    struct msp_rows rows; /* of the live policy, if is_live_known */
    struct msp_targets targets;
    bool is_live_known;
    bool is_unstored; /* in force, but the next boot would not know it */
    struct msp_policy_job *first; /* owned queue; the first one runs */
    struct msp_timer sweep;
    uint64_t sweep_limit;
    void (*flipped)(void *data); /* a new one is live; set by the owner */
    void *flipped_data;
};

void msp_policy_init(struct msp_policy *policy, struct msp_loop *loop,
                     struct msp_loader *loader, struct msp_names *names,
                     int state_fd, bool is_bootstrap_deny);
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

/* Name in an image identity that matches nobody on this host. */
typedef void (*msp_unknown_fn)(void *data, const char *identity,
                               const char *selector, const char *name);
void msp_policy_unknown(const struct msp_held *held, msp_unknown_fn fn,
                        void *data);
