/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The config.json of an OCI bundle: what a hook needs to know of it, and our
 * hooks added to it. It is edited as text, so that every member stays byte
 * for byte as it was, also numbers that no parser here could hold.
 *
 * @source OCI runtime-spec 1.0, config.md and config-linux.md
 */
#pragma once

#include <stddef.h>

/* What `mspctl oci-hook` takes from the configuration. */
struct msp_oci_config {
    char *root;  /* absolute path of the root directory; owned; NULL = none */
    char *netns; /* path of the network namespace it joins; owned; NULL = it
                  * gets one of its own, or has that of the host */
};

/* One of our hooks: path and arguments of a command. */
struct msp_oci_hook {
    const char *kind;        /* "createRuntime", "poststop" */
    const char *path;        /* absolute */
    const char *const *args; /* ends in NULL; args[0] is the name */
};

/*
 * Reads <bundle>/config.json.
 * @param bundle absolute path
 * @param reterr_why what is wrong; borrowed, of this thread until the next call
 * @return 0; -EBADMSG not a configuration; -EFBIG; -ENOMEM; errno of open
 */
int msp_oci_config_read(const char *bundle, struct msp_oci_config *ret_config,
                        const char **reterr_why);
void msp_oci_config_done(struct msp_oci_config *config);

/*
 * Adds a hook to the text of a configuration, behind those of its kind. One
 * with the same path and arguments is there already: nothing is added.
 * @param text [len]
 * @param ret_text [ret_len] and a NUL; free(); set only on success
 * @param reterr_why as above
 * @return 1 added; 0 it was there, nothing is set; -EBADMSG not a
 *         configuration, or not one that can be edited; -ENOMEM
 */
int msp_oci_config_edit(const char *text, size_t len,
                        const struct msp_oci_hook *hook, char **ret_text,
                        size_t *ret_len, const char **reterr_why);

/*
 * Adds hooks to <bundle>/config.json: the file is replaced by a whole one, or
 * stays as it is.
 * @param hook [n]
 * @param reterr_why as above; NULL = the errno says it
 * @return 0; as msp_oci_config_read
 */
int msp_oci_config_add(const char *bundle, const struct msp_oci_hook *hook,
                       size_t n, const char **reterr_why);
