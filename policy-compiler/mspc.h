/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The command's own parts: options, and what its verbs share. */
#pragma once

#include <msp/policy.h>

#include "explain.h"
#include "selector.h"

/* An option that says what the caller's container has: this and the kind. */
enum {
    MSPC_OPTION_FACT = 512
};

struct options {
    const char *file;
    const char *output; /* NULL = none given */
    bool json;
    struct msp_policy_options policy;
    bool has_caller; /* an option of explain was given */
    bool has_answer; /* standard output is for more than diagnostics */
    struct explain_query query;
    char unit[SELECTOR_CGROUP_BYTES]; /* its cgroup, of --unit */
};

/* Both say why on standard error. @return exit code */
int msp_mspc_fail(const char *path, int r);
__attribute__((format(printf, 1, 2))) int msp_mspc_usage(const char *format,
                                                         ...);

/*
 * One option of explain.
 * @param option its letter, see main.c @param value NULL for a flag
 * @return 0; exit code, after saying why
 */
int msp_mspc_caller_option(struct options *options, int option,
                           const char *value);

/* Compiles text and prints what was found. @return exit code */
int msp_mspc_compile(const struct options *options, const char *text,
                     size_t len, uint8_t **ret_image, size_t *ret_len);

/* The verb explain. @return exit code */
int msp_mspc_explain(struct options *options);
