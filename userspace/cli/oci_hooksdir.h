/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Where Podman and CRI-O look for hooks: what `hooks_dir` of their files says,
 * or one directory, the same for both. Options on command lines and variables
 * of the environment are not seen. Reads only.
 */
#pragma once

#include <limits.h>
#include <stddef.h>

#define MSP_HOOKS_DIR "/usr/share/containers/oci/hooks.d"

enum {
    MSP_HOOKS_DIRS_MAX = 16
};

/* Zero-initialised: nothing. */
struct msp_hooks_dirs {
    char *text;                          /* owned; the paths are in it */
    const char *dir[MSP_HOOKS_DIRS_MAX]; /* [n], absolute */
    size_t n;
    char file[PATH_MAX]; /* that says so, or that cannot be understood; "" =
                            none does: it is MSP_HOOKS_DIR */
};

/* A manager with hooks of its own. */
struct msp_hooks_manager {
    const char *name;    /* --runtime of oci-hook */
    const char *program; /* absolute path */
    const char *conf[2]; /* the later counts; NULL = none */
    const char *drop_in; /* directory of files that count after these */
    const char *suffix;  /* of the files in it */
};

/* [MSP_HOOKS_MANAGERS] */
#define MSP_HOOKS_MANAGERS 2
extern const struct msp_hooks_manager msp_hooks_managers[MSP_HOOKS_MANAGERS];

/*
 * @param root the host's files are below it: "" outside of tests
 * @param ret empty; msp_hooks_dirs_done() in any case
 * @return 0; -EBADMSG a `hooks_dir` that is no list of absolute paths; errno;
 *         ret->file is the file
 */
int msp_hooks_dirs_read(const char *root,
                        const struct msp_hooks_manager *manager,
                        struct msp_hooks_dirs *ret);
void msp_hooks_dirs_done(struct msp_hooks_dirs *dirs);
