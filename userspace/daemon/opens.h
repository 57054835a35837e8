/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Requests to mspd-netns to open files: at most MSP_OPENS_MAX at once, answered
 * in any order, each with a deadline beyond that of mspd-netns itself. They
 * share its socket with the requests of netns.h and wait for none of them.
 */
#pragma once

#include <msp/child.h>
#include <msp/limits.h>

#include "daemon/child.h"

/*
 * @param r 0 or negative errno, see struct msp_child_open
 * @param fd O_PATH, owned by the callee; -1 on failure
 * @param reply flags, sha256 with MSP_OPEN_HASH, hops with MSP_OPEN_WALK, which
 *        may be there on failure, too; NULL: it did not answer
 */
typedef void (*msp_open_fn)(void *data, int r, int fd,
                            const struct msp_child_open *reply);

struct msp_open_slot {
    uint32_t id; /* 0 = free */
    struct msp_timer timer;
    msp_open_fn fn;
    void *data;
};

struct msp_opens {
    struct msp_child *child; /* borrowed */
    uint32_t next_id;
    struct msp_open_slot slot[MSP_OPENS_MAX];
};

void msp_opens_init(struct msp_opens *opens, struct msp_loop *loop,
                    struct msp_child *child);
/* What is outstanding is never answered. */
void msp_opens_done(struct msp_opens *opens);

/*
 * @param pid 0 = the host's root directory, else that of a process
 * @param path absolute
 * @param flags MSP_OPEN_HASH, MSP_OPEN_WALK
 * @return 0: fn will be called, not before this returns; -EBUSY as many as may
 *         be are outstanding; -ENAMETOOLONG; negative errno
 */
int msp_opens_ask(struct msp_opens *opens, uint32_t pid, const char *path,
                  uint32_t flags, msp_open_fn fn, void *data);

/*
 * The same in a root directory that is not a process's.
 * @param root path of it in the host's root directory, absolute
 */
int msp_opens_ask_below(struct msp_opens *opens, const char *root,
                        const char *path, msp_open_fn fn, void *data);

/* A packet of mspd-netns; fd is -1 or taken over. @return 0; -EPROTO */
int msp_opens_reply(struct msp_opens *opens, const struct msp_child_open *reply,
                    size_t len, int fd);
