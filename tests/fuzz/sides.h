/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the host's item and its local rule file say, each compiled by itself,
 * and what callers may by both together, as userspace/OPERATING.md words it:
 * found from verdicts of the two alone, with nothing of what merges them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include <msp/policy.h>

#include "explain.h"

/* A compiled document. */
struct side_view {
    uint8_t *bytes; /* owned; NULL: the compiler has refused it */
    struct msp_image image;
};

extern const char *const side_names[MSP_EP_BUILTINS];

/* Makes the view of bytes [len], which the reader has to take. */
void side_view_open(struct side_view *view, size_t len);

/* @param doc form "status", taken over */
struct side_view side_compile(json_t *doc);

/* A member that may be null; NULL if it is, or absent. */
json_t *side_get(const json_t *object, const char *name);

/*
 * Enforced with either default as rules of IMDS, which everybody may reach, so
 * that the verdicts say who is granted what and what is known; and one of
 * WireServer as rules of it, too, for who passes its gate.
 */
struct side {
    struct side_view by_default[2]; /* deny, allow */
    struct side_view gated;
    bool is_default_allow; /* as it is */
    struct msp_rate_limit rate;
    uint32_t on_deny;
};

/* Both sound; side_close() it. @param endpoint IMDS or WireServer */
void side_open_host(struct side *side, const json_t *item, size_t endpoint);
void side_open_file(struct side *side, const json_t *file, size_t endpoint);
void side_close(struct side *side);

#define SIDE_CALLERS_MAX  5
#define SIDE_TARGETS_MAX  9
#define SIDE_TARGET_BYTES 512

/* Callers and requests that the documents speak of, and others. */
struct side_probes {
    struct explain_caller caller[SIDE_CALLERS_MAX];
    size_t n_callers;
    char target[SIDE_TARGETS_MAX][SIDE_TARGET_BYTES];
    size_t n_targets;
};

/*
 * @param item of the host's; NULL = none
 * @param file NULL = none
 * @param ret texts of callers are borrowed from both
 */
void side_find_probes(const json_t *item, const json_t *file,
                      struct side_probes *ret);

/* GET and POST by turns. @param ret_reason may be NULL */
enum msp_verdict side_ask(const struct side_view *view, size_t endpoint,
                          const struct side_probes *probes, size_t caller,
                          size_t target, enum msp_reason *ret_reason);

/* Whether the two together allow it. */
bool side_is_right(const struct side *host, const struct side *file,
                   size_t endpoint, bool is_default_allow,
                   const struct side_probes *probes, size_t caller,
                   size_t target);
