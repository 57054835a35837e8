/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The listeners of the agent, one a network namespace. mspd keeps a descriptor
 * of each, so that a restarted proxy gets them again and clients meanwhile
 * wait in the backlog; the kernel's row of a namespace points at it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/child.h"
#include "loader/load.h"

struct msp_listener {
    uint64_t cookie;
    uint64_t payer; /* whom it is charged to; 0: nobody */
    uint16_t port;
    int fd;       /* owned */
    char *path;   /* owned; NULL: none was given */
    bool is_own;  /* mspd's own namespace */
    bool is_sent; /* this proxy has it */
    bool has_row;
    bool is_leaving; /* its row was parked to let it go */
    int row_error;   /* why it has none: negative errno; 0: not tried yet */
};

struct msp_listeners {
    struct msp_listener *item; /* owned */
    size_t n;
    size_t cap;
    size_t max; /* descriptors there is room for, at most MSP_NETNS_MAX */
    const struct msp_loader *loader; /* borrowed */
    struct msp_child *proxy;         /* borrowed */
    uint64_t epoch;
};

/*
 * Adds one; a cookie that is known keeps what it has, and takes the path if it
 * has none; fd and port too if its own does not listen and cannot any more.
 * @param made cookie, payer, port, fd, path and is_own are set; its fd is taken over
 *        in any case, its path copied
 * @param ret_item borrowed until the next add or drop
 * @return 0 there is a new one; 1 it was known; 2 it was, and has the path now;
 *         -ENOSPC; -ENOMEM
 */
int msp_listeners_add(struct msp_listeners *listeners,
                      const struct msp_listener *made,
                      const struct msp_listener **ret_item);

/*
 * Whether there is room for one more of a payer: he has no more than his share
 * of what there may be (msp_payer_share).
 * @return 0; -ENOSPC; -EDQUOT it is his share that he has
 */
int msp_listeners_has_room(const struct msp_listeners *listeners,
                           uint64_t payer);

/*
 * Somebody there found no row: it is written once more.
 * @return false: there is no listener either, or another listens at its port
 */
bool msp_listeners_again(struct msp_listeners *listeners, uint64_t cookie);

/*
 * Parks the rows of namespaces that nobody else seems to hold: who comes now
 * waits. mspd's own is left out. @return how many; then comes
 * msp_listeners_drop, and new rows for those that stay
 */
size_t msp_listeners_leave(struct msp_listeners *listeners,
                           const uint64_t *cookie, size_t n);
/*
 * Of those, closes the ones that are still in `cookie`, in the proxy first, and
 * deletes their rows. The others are as before, but for their rows.
 * @return how many were closed
 */
size_t msp_listeners_drop(struct msp_listeners *listeners,
                          const uint64_t *cookie, size_t n);

/* A new proxy runs: it has none yet. */
void msp_listeners_forget_sent(struct msp_listeners *listeners);
/* Sends what the proxy lacks, as far as its socket takes it. */
void msp_listeners_send(struct msp_listeners *listeners);
/*
 * One does not listen any more: root of its namespace may end any socket there
 * (SOCK_DESTROY). It has kept its port, listens again and is sent again, unless
 * somebody does who had bound it too: then the next connect gets another one.
 * @return 0; -ENOENT no such; negative errno
 */
int msp_listeners_revive(struct msp_listeners *listeners, uint64_t cookie);
/*
 * Points the kernel's rows at the listeners.
 * @param only_sent leave out those the proxy does not have yet
 * @return 0; negative errno of the last failure
 */
int msp_listeners_publish(struct msp_listeners *listeners, bool only_sent);
/* Deletes rows of this epoch, or of every other one. */
void msp_listeners_unpublish(struct msp_listeners *listeners, bool of_others);

/* The paths, one a line, for the next mspd. @param ret_text free() */
int msp_listeners_paths(const struct msp_listeners *listeners, char **ret_text,
                        size_t *ret_len);

void msp_listeners_done(struct msp_listeners *listeners);
