/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "cli/oci_args.h"

#include <string.h>

#include <msp/cleanup.h>

/* Options whose value may be the next argument. */
static const char *const global_values[] = {
    "log",  "log-format",     "log-level", "root",
    "criu", "cgroup-manager", "rootless",  NULL,
};
static const char *const create_values[] = {
    "console-socket",
    "pid-file",
    "preserve-fds",
    "config",
    "f",
    /* of restore */
    "image-path",
    "work-path",
    "parent-path",
    "manage-cgroups-mode",
    "empty-ns",
    "status-fd",
    "lsm-profile",
    "lsm-mount-context",
    NULL,
};
static const char *const creating[] = {"create", "run", "restore", NULL};
static const char *const bundle_names[] = {"bundle", "b", NULL};

/* One or two dashes: both are the same to runc. */
static const char *option_name(const char *arg)
{
    if (arg[0] != '-' || !arg[1])
        return NULL;
    return arg + (arg[1] == '-' ? 2 : 1);
}

static bool is_one_of(const char *name, size_t len, const char *const *names)
{
    for (; *names; names++)
        if (strlen(*names) == len && strncmp(*names, name, len) == 0)
            return true;
    return false;
}

/* Reads options of `names` from `at`. @return the first that is none */
static size_t skip_options(char *const *args, size_t n, size_t at,
                           const char *const *values, const char **ret_bundle)
{
    for (; at < n; at++) {
        const char *name = option_name(args[at]);
        size_t len = name ? strcspn(name, "=") : 0;

        if (!name)
            break;
        if (!len && !name[0])
            return at + 1; /* "--" */
        if (ret_bundle && is_one_of(name, len, bundle_names)) {
            if (name[len] == '=')
                *ret_bundle = name + len + 1;
            else if (at + 1 < n)
                *ret_bundle = args[++at];
        } else if (name[len] != '=' && is_one_of(name, len, values)) {
            at++;
        }
    }
    return at;
}

bool msp_oci_args_creates(char *const *args, size_t n, const char **ret_bundle)
{
    size_t at = skip_options(args, n, 0, global_values, NULL);

    *ret_bundle = NULL;
    if (at >= n || !is_one_of(args[at], strlen(args[at]), creating))
        return false;
    (void)skip_options(args, n, at + 1, create_values, ret_bundle);
    return true;
}
