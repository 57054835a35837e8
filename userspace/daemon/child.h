/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * One child process: exec with exactly its descriptors and user, packets from
 * it, restart with back-off. Logs starts and ends. Its executable is the file
 * that was there when mspd started, whatever an upgrade has put there since.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/loop.h"

enum {
    MSP_CHILD_ARGS = 8,
    MSP_CHILD_FDS = 6
};

enum msp_child_state {
    MSP_CHILD_STOPPED = 0, /* not started yet, or to stay dead */
    MSP_CHILD_RUNNING,
    MSP_CHILD_BACKOFF, /* dead, to be started again */
};

/* What the owner fills for each start. */
struct msp_child_spawn {
    const char *arg[MSP_CHILD_ARGS]; /* after argv[0], NULL-terminated */
    int fd[MSP_CHILD_FDS];           /* become 4, 5, ...; borrowed */
    size_t n_fds;
};

struct msp_child_ops {
    /* Fills ret (zeroed). @return 0; negative errno: try again later */
    int (*prepare)(void *data, struct msp_child_spawn *ret);
    /* Releases what prepare opened; may be NULL. */
    void (*prepared)(const struct msp_child_spawn *spawn);
    /* The process runs and its control socket can be written. */
    void (*started)(void *data);
    /* One packet; fd is -1 or owned by the callee. @return 0; negative errno:
     * a protocol fault, the child is killed */
    int (*packet)(void *data, const void *packet, size_t len, int fd);
    /* The control socket can take more; only after msp_child_wait_room. */
    void (*room)(void *data);
    /* It is gone; called before the restart is planned. */
    void (*gone)(void *data);
};

struct msp_child {
    const char *name; /* "mspd-proxy" */
    const char *dir;  /* of the executable */
    const struct msp_child_ops *ops;
    void *data;
    bool is_restarted; /* start again when it dies */
    bool drops_user;   /* become uid and gid */
    uid_t uid;
    gid_t gid;

    struct msp_loop *loop;
    enum msp_child_state state;
    pid_t pid;
    int pid_fd;
    int control_fd;
    int program_fd; /* of msp_child_init(); every start executes this file */
    struct msp_source pid_source;
    struct msp_source control_source;
    struct msp_timer timer;
    uint64_t started_ms;
    uint64_t backoff_ms;
    uint64_t n_restarts;
};

/* Initialises the running part; the caller has filled the part above. */
void msp_child_init(struct msp_child *child, struct msp_loop *loop);

/* @return 0; negative errno */
int msp_child_start(struct msp_child *child);

/* @return 0; -EAGAIN; -EPIPE not running or gone */
int msp_child_send(struct msp_child *child, const void *packet, size_t len,
                   int fd);
void msp_child_wait_room(struct msp_child *child);

/* SIGTERM, and never start again. Does not wait. */
void msp_child_stop(struct msp_child *child);
/* Closes what is ours; the process goes on. */
void msp_child_done(struct msp_child *child);

const char *msp_child_state_name(enum msp_child_state state);
