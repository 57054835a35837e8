/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A level-triggered epoll loop: descriptors, one-shot timers and signals.
 * The caller owns every descriptor and removes it from the loop before
 * closing it. Sources are embedded in the caller's objects; a source may
 * remove itself or any other one inside a callback. Single-threaded.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct msp_loop;

/* @param events EPOLLIN, EPOLLOUT, EPOLLHUP ... as epoll reports them */
typedef void (*msp_loop_fd_fn)(void *data, uint32_t events);
typedef void (*msp_loop_timer_fn)(void *data);
typedef void (*msp_loop_signal_fn)(void *data, int signo);

struct msp_source {
    int fd;
    uint32_t events; /* wanted now; 0 = registered, but quiet */
    msp_loop_fd_fn fn;
    void *data;
    struct msp_loop *loop; /* NULL = not registered */
    /*
     * Whose it is, for the caller to set once it is added: while others have
     * events, too, one has only some of his served before epoll is asked
     * again. 0 = nobody's, served in each round.
     */
    uint64_t lane;
};

/* A place in the loop's binary heap; `at` is CLOCK_MONOTONIC in ms. */
struct msp_timer {
    uint64_t at_ms;
    uint32_t index; /* 0 = not armed */
    msp_loop_timer_fn fn;
    void *data;
    struct msp_loop *loop;
};

/* @return 0; negative errno */
int msp_loop_new(struct msp_loop **ret_loop);
struct msp_loop *msp_loop_free(struct msp_loop *loop); /* NULL */

/* Registers; events 0 is legal. @return 0; negative errno */
int msp_loop_add(struct msp_loop *loop, struct msp_source *source, int fd,
                 uint32_t events, msp_loop_fd_fn fn, void *data);
/* Changes what is wanted; no system call when nothing changes. */
int msp_loop_want(struct msp_source *source, uint32_t events);
/* No-op on a source that is not registered. */
void msp_loop_remove(struct msp_source *source);

/*
 * Removes and closes in one step, for a descriptor that nobody else has: then
 * the kernel takes it out of the epoll set by itself. Not registered: closes.
 */
void msp_loop_close(struct msp_source *source);

/* Initialises; does not arm. */
void msp_timer_init(struct msp_loop *loop, struct msp_timer *timer,
                    msp_loop_timer_fn fn, void *data);
/* Arms or moves. @return 0; -ENOMEM */
int msp_timer_set(struct msp_timer *timer, uint64_t delay_ms);
void msp_timer_stop(struct msp_timer *timer);

/* Blocks the signals and reports them. @param signals 0-terminated list */
int msp_loop_signals(struct msp_loop *loop, const int *signals,
                     msp_loop_signal_fn fn, void *data);

/* Time of the current round, CLOCK_MONOTONIC in ms; no system call. */
uint64_t msp_loop_now(const struct msp_loop *loop);

/*
 * For tests: takes the time from elsewhere. A clock that jumps is seen at the
 * next event; the loop may wake without one, early by that clock, and waits on.
 */
void msp_loop_set_clock(struct msp_loop *loop, uint64_t (*clock_ms)(void));

/*
 * Before it sleeps the loop looks for events for so long where that has been
 * worth it of late (see base/spin.h). 0, as it is at first: never.
 */
void msp_loop_spin(struct msp_loop *loop, uint64_t max_ns);

/* Runs until msp_loop_quit. @return the value given to it; negative errno */
int msp_loop_run(struct msp_loop *loop);
void msp_loop_quit(struct msp_loop *loop, int value);
