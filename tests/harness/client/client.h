/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * mspclient: what curl and python cannot do or count. Prints JSON lines; times
 * are CLOCK_MONOTONIC in nanoseconds, so they compare with the journal's.
 */
#pragma once

#include <netinet/in.h>
#include <stdint.h>

uint64_t msp_client_now_ns(void);

/* "ADDR:PORT" @return 0; -EINVAL */
int msp_client_addr(const char *text, struct sockaddr_in *ret);

/* Where to: IPv4 or IPv6. */
struct msp_client_to {
    union {
        struct sockaddr sa;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    };

    socklen_t len;
};

#define MSP_CLIENT_HOST_BYTES 64

/* "ADDR:PORT" or "[ADDR]:PORT" @return 0; -EINVAL */
int msp_client_parse(const char *text, struct msp_client_to *ret);

/* As a Host header has it; IPv4 of a mapped address. */
void msp_client_host(const struct msp_client_to *to,
                     char ret[MSP_CLIENT_HOST_BYTES]);

enum msp_client_uring {
    MSP_CLIENT_URING_INLINE,
    MSP_CLIENT_URING_ASYNC, /* by a worker thread of the ring */
    MSP_CLIENT_URING_POLL,  /* by its poll thread */
};

/* connect() by io_uring. @return 0; an errno value */
int msp_client_uring(int fd, const struct msp_client_to *to,
                     enum msp_client_uring how);

/* By two threads at once. @return 0: one did it; an errno value */
int msp_client_threads(int fd, const struct msp_client_to *to);

/* The status of an answer's head, NUL-terminated; 0 = not (yet) one. */
int msp_client_status(const char *head);

/* The name of an errno value: "ECONNREFUSED"; "ok" for 0. */
const char *msp_client_errno(int error);

/* Verbs; argv[0] is the verb. @return exit status */
int msp_client_steps(int argc, char **argv);
int msp_client_load(int argc, char **argv);
int msp_client_slow(int argc, char **argv);
int msp_client_notify(int argc, char **argv);
int msp_client_exec(int argc, char **argv);
