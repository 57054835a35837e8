/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A worker on loopback sockets with a kernel that says what the test wants.
 * The worker runs in a thread of its own, inside the sandbox unless a
 * sanitizer is watching: a forbidden call kills the whole test. The test plays
 * client and host with blocking sockets that give up after five seconds.
 *
 * The worker's clock stands still; a test moves it with fixture_advance(). To
 * know where the worker is, a test waits for a claim (fixture_until) or holds
 * it between two callbacks (fixture_hold): while it is held, everything of
 * it may be read and changed.
 */
#pragma once

#include <pthread.h>
#include <semaphore.h>

#include "base/loop.h"
#include "harness/test.h"
#include "proxy/key.h"
#include "proxy/worker.h"

struct fixture {
    struct msp_loop *loop;
    struct msp_key *key;
    struct msp_worker *worker;
    struct msp_request page;
    struct msp_meta meta;
    struct msp_source orders;
    int order_pipe[2]; /* bytes: enum order in fixture.c */
    sem_t is_held;
    sem_t is_released;
    bool is_holding;
    bool has_ended; /* the loop; valid while held */
    int log_pair[2];
    pthread_t thread;
    sem_t is_done;
    int run_result;
    int listener;  /* the worker's; for listen() again */
    int host;      /* listening socket of the pretended host */
    uint16_t port; /* of the proxy's listener */
    uint16_t host_port;

    /* what the pretended kernel says; set before the request */
    bool has_mark;
    struct msp_mark mark;
    int own_result;
    int authorize_result;
    char exe_name[MSP_NAME_BYTES]; /* what the kernel says of the caller */
    unsigned n_denials; /* the next ones are denied whatever `verdict` says */
    enum msp_verdict verdict;
    enum msp_reason reason;
    uint32_t retry_after_s;
    enum msp_mode mode;
    uint32_t endpoint_flags;
    /* what it was asked */
    unsigned n_authorized;
    unsigned n_owned;
    unsigned n_lost; /* told that a listener ended */
    uint64_t lost_cookie;
    struct msp_request asked;
};

/* cmocka set-up and tear-down; *state is the fixture. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

void fixture_set_key(struct fixture *f);
/* Stops the worker's thread, so that its state may be read. */
void fixture_stop(struct fixture *f);
/* Waits for the worker to end by itself. */
void fixture_wait(struct fixture *f);

/*
 * Holds the worker between two callbacks, until released. A worker that has
 * ended, or ends now, is held as well.
 */
void fixture_hold(struct fixture *f);
void fixture_release(struct fixture *f);

/* Asked while the worker is held. */
typedef bool (*fixture_claim)(const struct fixture *f, uint64_t arg);

bool fixture_holds(struct fixture *f, fixture_claim claim, uint64_t arg);
/* Waits until it holds, five seconds at most. */
void fixture_until(struct fixture *f, fixture_claim claim, uint64_t arg);
/* Claims: open connections; one at least in this enum msp_conn_state. */
bool has_conns(const struct fixture *f, uint64_t n);
bool is_in_state(const struct fixture *f, uint64_t state);

/* Lets time pass for the worker; what is due then has happened. */
void fixture_advance(struct fixture *f, uint64_t ms);
/* The same in two parts: while held; takes effect after the release. */
void fixture_skip(uint64_t ms);
/* How often the worker's loop has gone round; while held. */
uint64_t fixture_rounds(void);

int fixture_client(struct fixture *f); /* connected to the proxy */
int fixture_accept(struct fixture *f); /* the proxy's connection to the host */
bool fixture_host_is_quiet(struct fixture *f); /* nobody connected */
void fixture_log(struct fixture *f, struct msp_child_log *ret); /* next one */

void send_text(int fd, const char *text);
void send_bytes(int fd, const void *ptr, size_t len);
/* Reads one message: head, and a body by Content-Length or 0-chunk. */
const char *read_message(int fd, bool has_body);
void read_exactly(int fd, void *ptr, size_t len);
/* Nothing has come, and the other side is open. */
void expect_silence(int fd);
/* The other side closed, and sent nothing more. */
void expect_end(int fd);
/* Value of a header in a message of read_message; NULL if absent. */
const char *header_of(const char *message, const char *name);
