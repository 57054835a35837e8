/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Opening files in processes of their own, each with a deadline: a file system
 * that never answers holds up none but its own request. Every request gets
 * exactly one reply. A process in a wait that cannot be killed stays behind:
 * while it does, its path is answered -ETIMEDOUT at once, so that one path that
 * hangs costs one process; there is a limit to those, too.
 */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <msp/child.h>
#include <msp/limits.h>

enum {
    MSP_OPENER_SLOTS = MSP_OPENS_MAX + MSP_OPENS_STUCK_MAX,
    MSP_OPENER_POLLS = MSP_OPENER_SLOTS /* one a slot */
};

/* As msp_file_work; runs in the new process. */
typedef int (*msp_opener_fn)(struct msp_child_open *request, int watch_fd);

struct msp_opener_slot {
    pid_t pid;            /* 0 = free */
    int pid_fd;           /* readable when it ended */
    int reply_fd;         /* -1 = answered; the process may still be there */
    uint32_t id;          /* of the request */
    uint64_t key;         /* hash of whose path it is */
    bool is_late;         /* was answered by its deadline */
    uint64_t deadline_ms; /* CLOCK_MONOTONIC */
};

struct msp_opener {
    int out_fd;   /* for replies, borrowed */
    int watch_fd; /* inotify, owned; -1 none was given yet */
    msp_opener_fn fn;
    struct msp_opener_slot slot[MSP_OPENER_SLOTS];
};

void msp_opener_init(struct msp_opener *opener, int out_fd, msp_opener_fn fn);

/* Takes over the inotify descriptor for MSP_OPEN_WALK. */
void msp_opener_set_watch(struct msp_opener *opener, int fd);

/*
 * Starts one; what cannot be started is answered at once.
 * @return 0; negative errno: the asker cannot be answered
 */
int msp_opener_start(struct msp_opener *opener,
                     const struct msp_child_open *request, uint64_t now_ms);

/*
 * Answers what is answered or late, forgets processes that ended. Never waits.
 * @return 0; negative errno: the asker cannot be answered
 */
int msp_opener_run(struct msp_opener *opener, uint64_t now_ms);

/*
 * What to wait for before the next run.
 * @param ret [MSP_OPENER_POLLS]
 * @param ret_timeout_ms as poll() takes it
 * @return entries of ret
 */
size_t msp_opener_wait(const struct msp_opener *opener, uint64_t now_ms,
                       struct pollfd *ret, int *ret_timeout_ms);

/* Kills what runs. */
void msp_opener_done(struct msp_opener *opener);
