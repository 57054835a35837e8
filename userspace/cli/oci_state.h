/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The state of a container as an OCI runtime gives it to its hooks on their
 * standard input. Strict: what is not as the specification has it is an error.
 *
 * @source OCI runtime-spec 1.0, runtime.md, State
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct json_t;

struct msp_oci_state {
    struct json_t *doc; /* owned; the rest is borrowed from it */
    const char *id;
    const char *status;
    const char *bundle; /* absolute path */
    uint32_t pid;       /* as the hook sees it; 0 = it does not run */
};

/*
 * @param text [len] one JSON object; need not end in NUL
 * @param ret_state set only on success; msp_oci_state_done()
 * @param reterr_why what is wrong; borrowed, of this thread until the next call
 * @return 0; -EBADMSG; -ENOMEM
 */
int msp_oci_state_read(const char *text, size_t len,
                       struct msp_oci_state *ret_state,
                       const char **reterr_why);

/* The value of an annotation; NULL = it has none of that name. */
const char *msp_oci_state_annotation(const struct msp_oci_state *state,
                                     const char *key);

void msp_oci_state_done(struct msp_oci_state *state);
