/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The host's side of the key latch: status, key, attestation, as a small model
 * of a host that a scenario file drives off its course. Strict where the real
 * host's leniency is not known: a latched key is given out no second time, so
 * that a delegate which loses it stays without one.
 *
 * The scenario is one JSON object; every member is optional:
 *   version "1.0" or "2.0" (2.0), enabled (true), state, rules (null),
 *   incarnation (1; another one after a reload resets the latch),
 *   latched (false): begin with the key of --key as the latched one,
 *   status, key, attest: [STEP...], one taken per request, in this order; then
 *   the host as it should be.
 * STEP: times (1; 0 = for ever), http (200), body (text, not the model's),
 *   set {member: value} and unset [member] of the model's answer, act (whether
 *   the model goes on; true if neither http nor body is given), headers
 *   {name: value} more headers, type (application/json), delay_ms, chunked, hang_up,
 *   cut (send so many bytes of the answer, then close), stall (do not close)
 */
#pragma once

#include <stdbool.h>
#include <time.h>

#include "tree.h"
#include "verify.h"

struct sim_channel;

/*
 * @param path the scenario, borrowed
 * @param key in/out: the latched key; an empty guid while there is none
 * @param journal_fd takes a line for each key issued or latched
 * @return 0; -EINVAL the scenario cannot be read; -ENOMEM
 */
int msp_sim_channel_new(const char *path, struct sim_key *key, int journal_fd,
                        struct sim_channel **ret_channel);
void msp_sim_channel_free(struct sim_channel *channel);

/* Reads the scenario again; its steps begin anew. @return as above */
int msp_sim_channel_reload(struct sim_channel *channel);

/* Whether the request is about the latch. */
bool msp_sim_channel_is(const struct sim_request *req);

/*
 * Answers such a request.
 * @param ret zeroed by the caller
 * @param ret_verdict of the signature, with the key it should be made with
 * @return 0; -ENOMEM; -EIO
 */
int msp_sim_channel_answer(struct sim_channel *channel,
                           const struct sim_request *req, time_t now,
                           struct sim_answer *ret,
                           struct sim_verdict *ret_verdict);
