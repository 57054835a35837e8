/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * One HTTP exchange with the host on a connection of its own, with deadlines.
 * Knows sockets; what the bytes mean is answer.h's and the caller's.
 */
#pragma once

#include <netinet/in.h>

#include "base/loop.h"
#include "keeper/answer.h"
#include "keeper/request.h"

struct msp_client;

/*
 * The exchange has ended; the client is free for the next one.
 * @param r 0; -ETIMEDOUT; -EBADMSG; -EMSGSIZE; -ECONNRESET; other errno
 * @param answer borrowed, valid with r == 0
 */
typedef void (*msp_client_fn)(void *data, int r,
                              const struct msp_answer *answer);

struct msp_client {
    struct msp_loop *loop;
    struct sockaddr_in to;
    /* Marks a socket as the agent's. @return 0; negative errno */
    int (*own)(void *data, int fd);
    msp_client_fn fn;
    void *data;
    uint64_t connect_ms; /* deadlines */
    uint64_t answer_ms;

    int fd; /* -1 = idle */
    struct msp_source source;
    struct msp_timer connect_timer;
    struct msp_timer answer_timer;
    bool is_connected;
    char out[MSP_ASK_BYTES];
    size_t out_len;
    size_t out_at;
    struct msp_answer answer;
};

/* The caller has filled the part above `fd`. */
void msp_client_init(struct msp_client *client);

/*
 * Begins; `out` and `out_len` are filled.
 * @param room [size] for the answer, kept until fn
 * @return 0; negative errno: fn will not be called
 */
int msp_client_start(struct msp_client *client, char *room, size_t size);

void msp_client_done(struct msp_client *client);
