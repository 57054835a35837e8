/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Where the configuration of a container manager names our hooks, as far as
 * its files say; options on command lines are not seen. Reads only.
 */
#pragma once

enum msp_hooked {
    MSP_HOOKED_UNKNOWN, /* the file cannot be read or understood */
    MSP_HOOKED_UNSURE,  /* other files say, which are not looked at, or of
                         * which that is told by itself; named "unknown" too */
    MSP_HOOKED_NO,
    MSP_HOOKED_SOME,   /* of a runtime that need not be every container's */
    MSP_HOOKED_YES,    /* of every container */
    MSP_HOOKED_BROKEN, /* the program it names cannot be executed */
    MSP_HOOKED_UNREAD, /* a hook where its manager does not look */
    MSP_HOOKED_COUNT,
};

const char *msp_hooked_name(enum msp_hooked hooked);

/* One file or directory, and what it says. */
struct msp_installed {
    const char *manager;
    const char *place; /* all texts are borrowed for the call */
    enum msp_hooked hooked;
    const char *detail; /* "" = nothing to say */
};

/*
 * Calls back for each place of a manager that is installed.
 * @param root the host's files are below it: "" outside of tests
 */
void msp_installed_find(const char *root,
                        void (*fn)(const struct msp_installed *found,
                                   void *data),
                        void *data);
