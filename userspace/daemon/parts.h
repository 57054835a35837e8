/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The parts of the agent as the platform's tools know them, a word and a
 * sentence each, from what mspd knows. Pure: `status`, its reasons and every
 * report take their words from here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum msp_part {
    MSP_PART_MONITOR = 0, /* mspd itself */
    MSP_PART_KEY,         /* a key is latched and in use */
    MSP_PART_PROGRAMS,    /* ours run in the kernel */
    MSP_PART_LISTENER,    /* allowed requests are answered */
    MSP_PART_TELEMETRY,   /* there is none */
    MSP_PART_COUNT,
};

enum msp_part_word {
    MSP_PART_UNKNOWN = 0, /* not yet */
    MSP_PART_RUNNING,
    MSP_PART_STOPPED,
    MSP_PART_DISABLED, /* the host says so; MSP_PART_KEY only */
};

/* What the words follow from. Texts are borrowed. */
struct msp_part_facts {
    bool is_stopping; /* mspd ends, */
    bool is_failed;   /* of a failure: its proxy goes on */
    bool is_detached; /* by `mspctl detach` */
    bool is_attached;
    bool has_gap;    /* ours do not run in some cgroup */
    bool is_channel; /* --secure-channel */
    bool is_host_disabled;
    bool is_channel_failing;
    const char *channel_message;
    bool has_key;
    bool wants_key;      /* what is in force signs and enforces */
    const char *key_why; /* why there is none */
    bool is_keeper_running;
    bool is_proxy_running;
    bool is_proxy_ready;
    bool is_proxy_frozen; /* stopped by a signal or a debugger */
    size_t n_listeners;
};

enum {
    MSP_PART_REASONS = 2,
    MSP_PARTS_TEXT_BYTES = 4096 /* of msp_parts_are_ready() */
};

struct msp_part_now {
    enum msp_part_word word;
    const char *message; /* borrowed from the facts, or static */
    /* why `status` is degraded; NULL = no (more) reasons; static */
    const char *reason[MSP_PART_REASONS];
};

void msp_parts_find(const struct msp_part_facts *facts,
                    struct msp_part_now ret[MSP_PART_COUNT]);

/*
 * Whether programs, key and listener are all there, as provisioning demands.
 * @param ret_text a line for each one that is not, "NAME - MESSAGE" CR LF; ""
 *        if all are; cut at size, for which MSP_PARTS_TEXT_BYTES is enough
 */
bool msp_parts_are_ready(const struct msp_part_now now[MSP_PART_COUNT],
                         char *ret_text, size_t size);

/* "keyLatchStatus" ... */
const char *msp_part_name(enum msp_part part);
/* "RUNNING", "STOPPED", "UNKNOWN", "Disabled" */
const char *msp_part_word_name(enum msp_part_word word);
