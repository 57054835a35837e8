/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * One path of msp_exes and its round: open the file, ask the kernel what it is,
 * read it if its contents count, watch its directories, open it again if they
 * were not watched before, rest. For exes.c alone.
 */
#pragma once

#include "daemon/exes.h"

enum msp_exes_dir {
    MSP_EXES_GIVEN = 0, /* of the path as the policy says */
    MSP_EXES_REAL,      /* of the path without links, if another */
    MSP_EXES_DIRS,
};

enum msp_exes_step {
    MSP_EXES_FILE = 0,
    MSP_EXES_HASH,
    MSP_EXES_WATCH_GIVEN,
    MSP_EXES_WATCH_REAL,
};

struct msp_exes_watching {
    int wd;            /* -1 = not watched */
    uint64_t since_ms; /* watched, or to be watched, since then */
    bool is_tried;     /* in this round */
    bool is_refused;   /* its file system may hang, it stays unwatched */
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
    bool is_watch_new;
    struct msp_exes_watching watch[MSP_EXES_DIRS];
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

/* --- exedirs.c ---------------------------------------------------------- */

/* The path whose directory is meant; NULL none. */
const char *msp_exes_dir_path(const struct msp_exes_item *item,
                              enum msp_exes_dir which);
/* @return bytes of its directory without the last slash, >= 1; 0 no path */
size_t msp_exes_dir_len(const char *path);
bool msp_exes_dir_is_wanted(const struct msp_exes_item *item,
                            enum msp_exes_dir which);
/* Whether every directory it should watch is watched. */
bool msp_exes_item_is_watched(const struct msp_exes_item *item);
/* @param wd counted for this item already */
void msp_exes_watched(struct msp_exes_item *item, enum msp_exes_dir which,
                      int wd);
/* Watches what another item has come to watch since this one needs it. */
bool msp_exes_share_watch(struct msp_exes_item *item, enum msp_exes_dir which);
void msp_exes_unwatch(struct msp_exes_item *item, enum msp_exes_dir which);
/* Paths lead elsewhere now: the same names may be other directories. */
void msp_exes_unwatch_all(struct msp_exes_item *item);

/* --- callbacks, for exes.c ---------------------------------------------- */

/* Functions of the timers and of the watch. */
void msp_exes_on_arrived(void *data);
void msp_exes_on_tick(void *data);
void msp_exes_on_hold(void *data);
void msp_exes_on_event(void *data, int wd, const char *name);

/* Makes msp_exes_path know what is known now; of exes.c. */
void msp_exes_make_index(struct msp_exes *exes);
