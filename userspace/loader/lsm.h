/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Tier "lsm": programs that a host may refuse. Each is tried, loading and
 * attaching; what could not be had is in its row with the reason. They share
 * the maps of the main object by descriptor, have their own below maps/, and
 * their links below links/, where no one counts on them.
 *
 * Their links can neither be updated nor detached: a new one is pinned beside
 * the old one, which says the same, and renamed over it.
 *
 * A new object of such programs: a row in lsmprogs.c. Each program may be
 * loaded by itself, so what they write is in maps; the only global they have
 * is that of the main object, msp_root_inode.
 */
#pragma once

#include <stddef.h>

#include "loader/load.h"

enum {
    MSP_LSM_PROGS_MAX = 64,
    MSP_LSM_VARIANTS_MAX = 3,
};

enum msp_lsm_use {
    MSP_LSM_AUTO = 0, /* what can be had */
    MSP_LSM_OFF,      /* nothing; what an earlier mspd left is removed */
    MSP_LSM_REQUIRE,  /* all that is asked for, or no start */
    MSP_LSM_USE_COUNT,
};

/* What a program is for; a set of them is asked for. */
enum msp_lsm_feature {
    MSP_LSM_BASE = 1 << 0, /* without all of these it is not tier "lsm" */
    MSP_LSM_DENY_RAW = 1 << 1,
    MSP_LSM_GUARD = 1 << 2,
};

/* One program. The very first one is the canary's: without it none is tried. */
struct msp_lsm_prog {
    const char *name; /* of its pin, in status; <= 15 characters */
    /* in the object, tried in this order: kernels differ in prototypes */
    const char *variant[MSP_LSM_VARIANTS_MAX];
    enum msp_lsm_feature feature;
};

struct msp_lsm_object {
    const char *name;
    const void *(*elf)(size_t *ret_bytes);
    const struct msp_lsm_prog *prog;
    size_t n;
};

/* lsmprogs.c: every object there is. */
extern const struct msp_lsm_object msp_lsm_objects[];
extern const size_t msp_lsm_n_objects;

enum msp_lsm_state_of {
    MSP_LSM_UNUSED = 0, /* not asked for */
    MSP_LSM_NOT_LOADED,
    MSP_LSM_NOT_ATTACHED,
    MSP_LSM_KEPT, /* ours could not be had; that of an earlier mspd stays */
    MSP_LSM_LOADED,
    MSP_LSM_ATTACHED,
    MSP_LSM_STATE_COUNT,
};

struct msp_lsm_item {
    const struct msp_lsm_prog *prog;
    enum msp_lsm_state_of state;
    int error; /* negative errno of what failed; 0 */
    int fd;    /* of the loaded program until it is attached; -1 */
};

enum msp_lsm_canary {
    MSP_LSM_NOT_ASKED = 0, /* the canary's programs are not attached */
    MSP_LSM_CALLED,
    MSP_LSM_SILENT, /* attached, but the kernel does not call them */
    MSP_LSM_CANARY_COUNT,
};

struct msp_lsm {
    enum msp_lsm_use use;
    uint32_t features; /* of enum msp_lsm_feature */
    struct msp_lsm_item item[MSP_LSM_PROGS_MAX];
    size_t n;
    struct msp_lsm_state *page; /* mapped; NULL */
    enum msp_lsm_canary canary;
    bool is_tracing_called; /* when the canary was last looked at */
    const char *absent;     /* static: why no program could be had; NULL */
};

/*
 * Loads what is asked for; nothing where the canary's program is refused. The
 * maps of an object exist afterwards if one of its programs could be loaded.
 * @param features what is asked for; MSP_LSM_BASE is
 * @return 0; with MSP_LSM_REQUIRE the negative errno of the first program that
 *         cannot be had, `loader->why` is set. Release with msp_lsm_done.
 */
int msp_lsm_open(struct msp_loader *loader, enum msp_lsm_use use,
                 uint32_t features, struct msp_lsm *ret);

/*
 * Attaches what was loaded, pins it, removes pins of what is not asked for,
 * and looks at the canary.
 * @return 0; with MSP_LSM_REQUIRE a negative errno, also if the programs are
 *         not called, and what was pinned before is as it was. `loader->why`
 */
int msp_lsm_attach(struct msp_loader *loader, struct msp_lsm *lsm);

/* Takes back what is in force, and its pins: of a first start that failed. */
void msp_lsm_withdraw(const struct msp_loader *loader, struct msp_lsm *lsm);

/*
 * Makes a thread and looks who saw it.
 * @return whether lsm->canary has changed
 */
bool msp_lsm_check(struct msp_lsm *lsm);

/* Every program of MSP_LSM_BASE is attached and called: tier "lsm". */
bool msp_lsm_is_tier(const struct msp_lsm *lsm);

/* A program of a feature is asked for and not attached. */
bool msp_lsm_lacks(const struct msp_lsm *lsm, enum msp_lsm_feature feature);

/*
 * Whether the kernel reads executables at exec: "none" (nobody asks it to),
 * "not tried", "sha256", "failed" (it never could; mspd reads them).
 */
const char *msp_lsm_hash_name(const struct msp_lsm *lsm);

/* Why one is not attached: of the whole host where that is known. */
const char *msp_lsm_why(const struct msp_lsm *lsm,
                        const struct msp_lsm_item *item);

/*
 * Why a host has no BPF LSM.
 * @param has_hooks the kernel was built with it
 * @param list content of /sys/kernel/security/lsm, "a,b,c"; NULL not mounted
 * @return static text; NULL: it has it, or that cannot be told
 */
const char *msp_lsm_why_absent(bool has_hooks, const char *list);

/* What to do about MSP_LSM_SILENT, as far as it can be found out. */
const char *msp_lsm_why_silent(const struct msp_lsm *lsm);

/* "attached", "not loaded" ... for status. */
const char *msp_lsm_state_name(enum msp_lsm_state_of state);
/* "auto", "off", "require" */
const char *msp_lsm_use_name(enum msp_lsm_use use);
/* "called", "not called", "none" */
const char *msp_lsm_canary_name(enum msp_lsm_canary canary);

/* Closes everything; what is pinned stays in force. */
void msp_lsm_done(struct msp_lsm *lsm);
