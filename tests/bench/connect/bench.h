/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Parts of bench_connect: what programs cost, what connections cost. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct hooks_bpf; /* the skeleton */

struct bench {
    const char *layout; /* mspd's pins: LAYOUT/{maps,progs} */
    const char *work;   /* cgroup of clients, below mspd's */
    const char *empty;  /* cgroups outside mspd's: with the empty programs, */
    const char *none;   /* with none */
    struct sockaddr_in endpoint;
    struct hooks_bpf *hooks;
    int connect4; /* mspd's program */
};

/* Prints what failed and ends the program. */
__attribute__((noreturn)) void bench_die(const char *what);

/* Moves the calling process. */
void bench_enter(const char *cgroup);

/* What mspd's program does with a connect. */
enum expected {
    EXPECT_REFUSED,     /* passes it, nobody listens there */
    EXPECT_UNREACHABLE, /* passes it, no route leads there: nothing is sent */
    EXPECT_DENIED,
    EXPECT_ALLOWED, /* to the proxy, or to a listener */
};

/* Connects of one process in one cgroup, which must all end as expected. */
struct client {
    const char *cgroup; /* NULL: where the program is */
    uid_t uid;
    struct sockaddr_in to;
    unsigned int n;
    enum expected expected;
};

/* The calling process becomes the client; it connects so often. */
void client_become(const struct client *client);
void client_connect(const struct client *client);

/* Runs it to its end; what it does is what the programs' times count. */
void client_run(const struct client *client);

/* --- programs.c: nanoseconds a run ------------------------------------------- */

struct program_times {
    /* net of an empty one */
    double other, sameport, denied, allowed, verdict;
    double other_cold; /* with a whole connection between two runs */
    /* denied: always the same container of 10, of 10,000 */
    double few, many;
    /* each time another one of those, and so another process, which has slept
     * since its last connect */
    double random_few, random_many;
    double started_few, started_many; /* which was started to connect */
};

void programs_measure(struct bench *bench, struct program_times *ret);

/* --- sockets.c: whole connections and packets --------------------------------- */

struct socket_times {
    double tcp_points; /* % of a connection, over the empty programs */
    double bulk_ratio; /* throughput, to that with the empty programs */
    double udp_ratio;
};

void sockets_measure(const struct bench *bench, struct socket_times *ret);
