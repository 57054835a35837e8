/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The simulator's journal: one JSON object a line and request, written with
 * one write() each, so that a reader never sees half a line. It is what tests
 * believe about what reached the host.
 */
#pragma once

#include <stdint.h>

#include "http.h"
#include "tree.h"
#include "verify.h"

struct sim_entry {
    uint64_t start_ns; /* CLOCK_MONOTONIC: first byte of the request */
    uint64_t end_ns;   /* CLOCK_MONOTONIC: answer decided */
    uint64_t connection;
    enum sim_endpoint endpoint;
    int status;            /* answered; 0 = closed without an answer */
    const char *malformed; /* NULL if the request could be read */
    const struct sim_request *req;
    const struct sim_verdict *verdict;
};

/*
 * Appends one line to fd. The authorization header is listed without its
 * signature.
 * @return 0; -ENOMEM; -errno of write()
 */
int msp_sim_journal(int fd, const struct sim_entry *entry);
