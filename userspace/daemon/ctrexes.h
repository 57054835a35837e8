/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Executables in containers: where an identity names a container and a path,
 * the path is looked up in that container's own root, once when both are known
 * and again from time to time. Knows neither slots nor rows; exes.h is for the
 * host's files. Logs nothing, since what is there is the container's to change.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "daemon/containers.h"
#include "daemon/opens.h"
#include "loader/exerows.h"

/* The outside; tests play it. All take the data of msp_ctrexes_init. */
struct msp_ctrexes_ops {
    /* As msp_opens_ask and msp_opens_ask_below. @param root NULL: of `pid` */
    int (*open)(void *data, const char *root, uint32_t pid, const char *path,
                msp_open_fn fn, void *fn_data);
    /* What the kernel says of an own descriptor. @return 0; negative errno */
    int (*fact)(void *data, int fd, struct msp_file_fact *ret);
    /* What msp_ctrexes_found says has changed. */
    void (*changed)(void *data);
};

/* One path in one container. */
struct msp_ctrexe {
    uint64_t container;
    char *path; /* owned */
    char *root; /* owned; NULL: that of `pid` */
    uint32_t pid;
    bool is_wanted; /* by the policy in force, of a container that is there */
    bool is_asked;
    bool is_there;
    struct msp_file_fact fact; /* if it is there */
    struct msp_idset set;      /* identities that name the container */
    const char *why;           /* static; if it is not */
    uint64_t due_ms;
};

struct msp_ctrexes;

/* An answer that is on its way. */
struct msp_ctrexes_asked {
    struct msp_ctrexes *exes;
    struct msp_ctrexe *item; /* NULL: none; owned, if it is not wanted */
};

enum {
    MSP_CTREXES_ASKED = 2 /* of MSP_OPENS_MAX; the host's files need some */
};

struct msp_ctrexes {
    const struct msp_ctrexes_ops *ops;
    void *data;
    struct msp_ctrexe **item; /* owned; [n], sorted by container, then path */
    size_t n, cap;
    struct msp_ctrexes_asked asked[MSP_CTREXES_ASKED];
    size_t next; /* the next one that is looked at */
    struct msp_timer tick;
    struct msp_timer hold; /* several changes make one call */
};

void msp_ctrexes_init(struct msp_ctrexes *exes, struct msp_loop *loop,
                      const struct msp_ctrexes_ops *ops, void *data);
void msp_ctrexes_done(struct msp_ctrexes *exes);

/*
 * What is wanted from now on; what is no more is forgotten, and so is what no
 * memory was left for.
 * @return whether msp_ctrexes_found says something else now; -ENOMEM
 */
int msp_ctrexes_plan(struct msp_ctrexes *exes,
                     const struct msp_ctr_match *match,
                     const struct msp_containers *containers);

/* Whether each that is wanted was looked at, if in vain. */
bool msp_ctrexes_are_looked_at(const struct msp_ctrexes *exes);

/*
 * The files of an image, as far as they are known, after those that are in
 * *found already.
 * @param found, n in/out, free(); `inside` is borrowed until the next plan
 * @return 0; -ENOMEM
 */
int msp_ctrexes_found(const struct msp_ctrexes *exes,
                      const struct msp_image *image,
                      struct msp_exe_found **found, size_t *n);

/*
 * Of one identity and its path: in how many containers the file is not there.
 * @param ret_why static text of one of them
 */
size_t msp_ctrexes_lacking(const struct msp_ctrexes *exes, uint32_t identity,
                           const char *path, const char **ret_why);
