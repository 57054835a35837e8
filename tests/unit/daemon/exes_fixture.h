/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The files of a policy, mspd-netns and the kernel played by the test. */
#pragma once

#include "daemon/exes.h"
#include "harness/test.h"

enum {
    PATHS = 12,
    STRINGS = 4096,
    SOON_MS = 3000 /* a machine with much to do */
};

/*
 * Real files and a real inotify; mspd-netns and the kernel are played: opens
 * are answered in the next round of the loop, unless they are held back.
 */
struct exes_request {
    struct msp_timer timer;
    char path[256];
    uint32_t flags;
    msp_open_fn fn;
    void *data;
    struct exes_bench *bench;
};

struct exes_bench {
    struct msp_loop *loop;
    struct msp_exes exes;
    char dir[64];
    struct exes_request request[MSP_OPENS_MAX];
    size_t n_outstanding;
    size_t n_opens;
    const char *silent; /* paths with this in them are never answered */
    const char *unsure; /* hashes of these are unsure */
    bool writes;        /* files are written while they are read */
    size_t n_hashed;
    size_t n_told; /* of them, whose contents are known */
    size_t n_walks;
    int blind; /* hops are watched by nobody: negative errno */
    void (*meanwhile)(struct exes_bench *bench); /* before each answer */
    uint64_t magic;                              /* of every file; 0 = ext4 */
    uint32_t time_gran;
    struct msp_exe running;
    int n_changed;
    int n_prepared;
    char strings[STRINGS];
    uint32_t n_strings;
    struct msp_image_exe exe[PATHS];
    struct msp_image image;
};

/* Added to the clock of the loop. */
extern uint64_t exes_late_ms;

/* A path in the directory of the test; four of them stay valid. */
const char *exes_in_dir(const struct exes_bench *bench, const char *name);
void exes_put_file(const struct exes_bench *bench, const char *name,
                   const char *text);
void exes_make_dir(const struct exes_bench *bench, const char *name);
void exes_move(const struct exes_bench *bench, const char *from,
               const char *to);
void exes_add_path(struct exes_bench *bench, const char *name, uint32_t flags);
void exes_no_paths(struct exes_bench *bench);
/* Runs the loop for a while. */
void exes_run(struct exes_bench *bench, uint64_t ms);
/* Lets that much time pass at once. */
void exes_pass(struct exes_bench *bench, uint64_t ms);
void exes_begin(struct exes_bench *bench);
void exes_wait_prepared(struct exes_bench *bench);
/* The image is live, its directories watched. */
void exes_go_live(struct exes_bench *bench);
const struct msp_exe_file *exes_file(const struct exes_bench *bench,
                                     const char *name);
struct msp_exe exes_exe_at(const struct exes_bench *bench, const char *name);
bool exes_names(const struct exes_bench *bench, const char *name,
                struct msp_exe exe);
/* Until the path names what is there now; within a second, as promised. */
void exes_expect_noticed(struct exes_bench *bench, const char *name);
int exes_setup(void **state);
int exes_teardown(void **state);
