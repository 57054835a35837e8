/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The secure channel with the host as a state machine: poll, acquire, store,
 * attest, and when to try again. Sans-IO: no clock, no socket, no file and no
 * key bytes; what it wants done it asks of its owner, and every time is handed
 * in. One thing is under way at a time.
 *
 * A key goes through two places of the owner's: `pending`, filled by find()
 * and take(), and `live`, the one mspd signs with.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "keeper/request.h"
#include "keeper/status.h"

#define MSP_CHANNEL_MESSAGE_BYTES 256

/* All waits in ms; msp_channel_times() has the real ones. */
struct msp_channel_times {
    uint64_t poll;
    uint64_t first;
    uint64_t young;
    uint64_t clock;
};

/* What came of one request. */
struct msp_channel_answer {
    int error; /* 0; negative errno: there is no answer */
    uint32_t status;
    const char *body; /* [body_len], borrowed */
    size_t body_len;
    const char *host_date; /* [host_date_len], NULL = none */
    size_t host_date_len;
    const char *date; /* [date_len], NULL = none */
    size_t date_len;
};

/* Each returns 0 or a negative errno, if anything. */
struct msp_channel_ops {
    /* Begins a request; msp_channel_answered() follows, not from within. */
    int (*send)(void *data, enum msp_ask ask);
    /* Fills pending from what is stored. -EINPROGRESS it is being looked for:
     * msp_channel_found() follows; others: there is no key of this GUID */
    int (*find)(void *data, const char *guid);
    /* Fills pending from an answer. @param reterr_why static text */
    int (*take)(void *data, const char *body, size_t len,
                const char **reterr_why);
    /* Stores pending, and reads it back. */
    int (*store)(void *data);
    /* Pending becomes live. @return its GUID, borrowed */
    const char *(*go_live)(void *data);
    /* Wipes the live key. */
    void (*forget)(void *data);
    /* Wipes the pending one. */
    void (*drop)(void *data);
    /* The host's policy may be another: @param body the answer, [len], which
     * is believed */
    void (*rules)(void *data, const char *body, size_t len,
                  const struct msp_status *status);
    /* What the host's clock showed when its answer was made. */
    void (*clock)(void *data, int64_t unix_s);
    /* State or message are not what they were. */
    void (*changed)(void *data);
};

struct msp_channel {
    const struct msp_channel_ops *ops;
    void *data;
    struct msp_channel_times times;
    uint64_t start_ms;
    uint64_t next_ms;  /* when to tick; UINT64_MAX while an answer is awaited */
    uint64_t clock_ms; /* when the host's clock was taken, */
    bool has_clock;    /* if it was */
    enum msp_ask ask;  /* under way */
    bool is_finding;   /* so is find() */
    uint32_t n_failed; /* polls in a row */
    uint32_t n_disabled;
    uint32_t random;
    bool is_known;            /* some answer was believed */
    bool is_resumed;          /* live was said by nobody in this life */
    bool is_failing;          /* the last poll did not get where it should */
    struct msp_status status; /* believed last, if is_known */
    char live[MSP_GUID_BYTES];
    char message[MSP_CHANNEL_MESSAGE_BYTES];
};

/* The waits of limits.h, `scale` times shorter. */
struct msp_channel_times msp_channel_times(uint32_t scale);

/* @param seed of the jitter; the first poll is due at once */
void msp_channel_init(struct msp_channel *channel,
                      const struct msp_channel_ops *ops, void *data,
                      const struct msp_channel_times *times, uint64_t now_ms,
                      uint32_t seed);

/*
 * The key that an earlier life used last is live again, until the host says
 * otherwise. Before the first tick.
 */
void msp_channel_resume(struct msp_channel *channel, const char *guid);

/* Time has come: begins a poll if one is due. */
void msp_channel_tick(struct msp_channel *channel, uint64_t now_ms);

/* The request under way has ended. */
void msp_channel_answered(struct msp_channel *channel, uint64_t now_ms,
                          const struct msp_channel_answer *answer);

/*
 * What find() began to look for was found, and is pending, or was not.
 * @param r 0; negative errno
 */
void msp_channel_found(struct msp_channel *channel, uint64_t now_ms, int r);

/* "Unknown" before anything is known. Static or borrowed. */
const char *msp_channel_state(const struct msp_channel *channel);
