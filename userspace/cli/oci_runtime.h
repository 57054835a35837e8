/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * mspctl under the name of a runtime, for callers that pass no arguments of
 * ours (containerd's BinaryName): a file says what the real one is.
 */
#pragma once

#include "cli/cli.h"

#define MSP_OCI_RUNTIME_NAME "mspd-oci-runtime"

/* {"runtime":"/usr/sbin/runc","manager":"containerd"} */
struct msp_oci_settings {
    char *runtime; /* absolute path */
    char *manager; /* NULL = not given */
};

/*
 * Reads the file: of this user and no other's to write.
 * @param reterr_why what is wrong; borrowed, of this thread until the next
 *        call; NULL = the errno says it
 * @return 0; -EBADMSG; -EPERM others may write it; errno
 */
int msp_oci_settings_read(const char *path, struct msp_oci_settings *ret,
                          const char **reterr_why);
void msp_oci_settings_done(struct msp_oci_settings *settings);

/*
 * What main() does under that name: does not return but to say what is wrong.
 * @param conf file with the settings
 * @param argv [argc] all but the first are the runtime's
 * @return the exit code
 */
int msp_oci_runtime_main(struct msp_cli *cli, const char *conf, int argc,
                         char **argv);
