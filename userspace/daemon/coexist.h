/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Programs of others at our hooks, in every cgroup from ours down: where they
 * run, and whether ours do. Looked for when ours are attached, then now and
 * then, in slices, and for `status`. Logs what runs after ours.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "loader/effective.h"

struct msp_coexist_row {
    char *cgroup; /* owned; below ours, "/" = ours itself */
    struct msp_foreign foreign;
    char name[16]; /* of the program; "" = not known */
};

/* What one sweep found. */
struct msp_coexist_found {
    struct msp_coexist_row *row; /* owned; [n] */
    size_t n;
    size_t n_more;     /* for which there was no room */
    size_t n_cgroups;  /* looked at */
    size_t n_unread;   /* that could not be looked at */
    uint64_t began_ms; /* CLOCK_MONOTONIC; 0 = never */
};

struct msp_coexist {
    struct msp_loader *loader;
    struct msp_loop *loop; /* NULL = not begun */
    int cgroup_fd;         /* borrowed */
    struct msp_timer timer;
    struct msp_coexist_found found; /* by the last whole sweep */
    struct msp_coexist_found next;  /* by the one under way */
    const char *looking_at;         /* of `todo` */
    char **todo;                    /* owned; [n_todo] cgroups, to look at */
    size_t n_todo;
    bool is_sweeping;
};

/* Ours are attached: looks for the first time and goes on. */
void msp_coexist_start(struct msp_coexist *coexist, struct msp_loop *loop,
                       struct msp_loader *loader, int cgroup_fd);
void msp_coexist_done(struct msp_coexist *coexist);

/*
 * Looks again now. With so many cgroups that this cannot be done at once,
 * `found` is of the last whole sweep, and this one goes on.
 */
void msp_coexist_refresh(struct msp_coexist *coexist);

/* Whether ours run wherever they should. */
bool msp_coexist_is_whole(const struct msp_coexist *coexist);
/* Whether programs run after ours that could lead to an endpoint. */
bool msp_coexist_is_bypassed(const struct msp_coexist *coexist);
