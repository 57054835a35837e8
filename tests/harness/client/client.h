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

/* The status of an answer's head, NUL-terminated; 0 = not (yet) one. */
int msp_client_status(const char *head);

/* The name of an errno value: "ECONNREFUSED"; "ok" for 0. */
const char *msp_client_errno(int error);

/* Verbs; argv[0] is the verb. @return exit status */
int msp_client_steps(int argc, char **argv);
int msp_client_load(int argc, char **argv);
int msp_client_notify(int argc, char **argv);
int msp_client_exec(int argc, char **argv);
