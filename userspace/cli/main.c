/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* mspctl: dispatch, nothing else; the verbs are in verbs.c. */
#include <msp/cleanup.h>

#include "cli/cli.h"
#include "cli/oci_runtime.h"
#include "cli/opts.h"
#include "cli/provision.h"

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

int main(int argc, char **argv)
{
    struct msp_cli cli = {
        .socket = MSP_CTL_PATH,
        .spool = MSP_CONTAINER_SPOOL,
        .host_root = "",
        .in = stdin,
        .out = stdout,
        .err = stderr,
    };
    const struct msp_verb *verb = NULL;
    int exit_code = MSP_EXIT_OK;

    if (argc > 0 && msp_streq(base_name(argv[0]), MSP_OCI_RUNTIME_NAME))
        return msp_oci_runtime_main(&cli, MSP_OCI_RUNTIME_CONF, argc, argv);
    if (argc > 0 && msp_streq(base_name(argv[0]), MSP_PROVISION_NAME)) {
        exit_code = msp_provision_main(&cli, argc, argv);
        /* an answer that was cut off is none */
        return fflush(stdout) != 0 || ferror(stdout) ? MSP_PROVISION_WAITING
                                                     : exit_code;
    }
    if (msp_opts_parse(&msp_cli_verbs, argc, argv, &cli, &verb) < 0)
        return msp_cli_refuse(&cli, argc, argv);
    if (cli.is_version)
        (void)printf(cli.is_json ? "{\"schema\":1,\"result\":\"ok\","
                                   "\"version\":\"%s\",\"control\":%d,"
                                   "\"image\":%d}\n"
                                 : "mspctl %s, control protocol %d, "
                                   "image format %d\n",
                     MSP_VERSION, MSP_CTL_VERSION, MSP_IMAGE_VERSION);
    else if (cli.is_help)
        msp_opts_help(&msp_cli_verbs, verb, cli.help_object, stdout);
    else
        exit_code = verb->run(&cli);
    /* An answer cut off by a full disk or a closed pipe is no answer. */
    if ((fflush(stdout) != 0 || ferror(stdout)) && exit_code == MSP_EXIT_OK &&
        !msp_cli_is_hook(&cli))
        exit_code = MSP_EXIT_INTERNAL;
    return exit_code;
}
