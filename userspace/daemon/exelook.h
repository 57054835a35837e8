/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * One path of msp_exes and its round: walk to the file, each directory of the
 * way being watched, ask the kernel what it is, read it if its contents count,
 * rest. For exes.c alone.
 */
#pragma once

#include "daemon/exes.h"

enum msp_exes_step {
    MSP_EXES_FILE = 0,
    MSP_EXES_HASH,
};

/* One name of the way; whatever happens to it may change where the path leads.
 */
struct msp_exes_hop {
    int wd;        /* of its directory, counted; negative errno: not watched */
    uint64_t name; /* msp_exewatch_hash of the name alone, */
    uint64_t path; /* and of its path without links */
};

struct msp_exes_item {
    struct msp_exe_file file;
    struct msp_exes *exes;
    struct msp_exes_item *next; /* of the orphans */
    bool is_live;
    bool is_next;      /* prepared */
    bool is_hash_live; /* who demands its contents */
    bool is_hash_next;
    enum msp_exes_step step; /* to do at due_ms, or being done */
    uint64_t due_ms;
    uint64_t paid_ms; /* rounds so far last until then, if spread evenly */
    uint64_t poll_ms; /* to the next round, while it is not watched */
    unsigned int n_hashes;
    bool is_asked;   /* between a request and what the kernel says of it */
    bool is_slow;    /* that request may take long */
    bool is_orphan;  /* dropped meanwhile */
    bool is_awaited; /* prepare waits for it */
    bool is_urgent;  /* something happened to it */
    bool is_dirty;   /* and again while it was asked for */
    uint32_t walk;   /* number of the one under way, or of the last */
    struct msp_exes_hop *hop; /* owned; [n_hops] */
    size_t n_hops;
    int blind; /* negative errno: a hop is not watched; 0 all are */
};

/* @return owned by the caller; NULL no memory */
struct msp_exes_item *msp_exes_item_new(struct msp_exes *exes,
                                        const char *path);
/* Frees it, at once or when its answer comes. */
void msp_exes_item_drop(struct msp_exes_item *item);

/* Begins a round at once unless one is under way. */
void msp_exes_item_hurry(struct msp_exes_item *item);

/* Something happened to its path: the next round begins soon. */
void msp_exes_happened(struct msp_exes_item *item);

/* Asks for as many as may be, says what has changed. Ends in callbacks. */
void msp_exes_pump(struct msp_exes *exes);

void msp_exes_plan_tick(struct msp_exes *exes);

/* CLOCK_MONOTONIC of this round of the loop, ms. */
static inline uint64_t msp_exes_now(const struct msp_exes_item *item)
{
    return msp_loop_now(item->exes->loop);
}

/* --- exehops.c ---------------------------------------------------------- */

/* Takes over what a walk found, whether it led to a file or not. */
void msp_exes_take_hops(struct msp_exes_item *item,
                        const struct msp_child_open *reply);
void msp_exes_forget_hops(struct msp_exes_item *item);
/* Whether it was walked to and every directory of the way is watched. */
bool msp_exes_item_is_watched(const struct msp_exes_item *item);

/* --- callbacks, for exes.c ---------------------------------------------- */

/* Functions of the timers and of what is watched. */
void msp_exes_on_arrived(void *data);
void msp_exes_on_tick(void *data);
void msp_exes_on_hold(void *data);
void msp_exes_on_event(void *data, int wd, uint64_t name);
void msp_exes_on_mounts(void *data, const uint64_t *point, size_t n);

/* Makes msp_exes_path know what is known now; of exes.c. */
void msp_exes_make_index(struct msp_exes *exes);
