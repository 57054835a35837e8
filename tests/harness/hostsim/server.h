/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The simulator's sockets: one epoll loop, HTTP/1.1 keep-alive, one request of
 * a connection at a time. Every request read, good or bad, is journalled
 * before its answer leaves.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "channel.h"
#include "tree.h"
#include "verify.h"

enum sim_mode {
    SIM_MODE_OFF = 0, /* signatures are looked at and journalled only */
    SIM_MODE_AUDIT,   /* same, as the platform names it */
    SIM_MODE_ENFORCE, /* 401 to what is not validly signed */
};

struct sim_config {
    const char *key_path;
    const char *modes_path; /* may be NULL: every endpoint as `mode` says */
    enum sim_mode mode[SIM_ENDPOINTS];
    struct sim_key key;
    long clock_offset_s; /* the host's clock minus ours */
    long delay_ms;       /* before every answer */
    int journal_fd;
    const char *scenario_path;   /* may be NULL: no key latch is served */
    struct sim_channel *channel; /* borrowed; NULL = none */
};

struct sim_server;

/*
 * @param config borrowed; key and modes may change while the server runs
 * @return 0; -ENOMEM; -errno of epoll
 */
int msp_sim_server_new(const struct sim_config *config,
                       struct sim_server **ret_server);
void msp_sim_server_free(struct sim_server *server);

/* Takes a listening, non-blocking socket. @return 0; -errno */
int msp_sim_server_listen(struct sim_server *server, int fd,
                          enum sim_endpoint endpoint);

/*
 * Serves until `wake_fd` is readable.
 * @return 0; -errno, the loop cannot go on
 */
int msp_sim_server_run(struct sim_server *server, int wake_fd);
