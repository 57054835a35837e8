/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * mspctl under the name of the Azure agent, for cloud-init and others that ask
 * that one whether it is ready: `azure-proxy-agent --status [--wait SECONDS]`.
 */
#pragma once

#include "cli/cli.h"

#define MSP_PROVISION_NAME "azure-proxy-agent"

/* The exit codes are that agent's, not ours. */
enum msp_provision_exit {
    MSP_PROVISION_READY = 0,
    MSP_PROVISION_WAITING = 1, /* not yet, or mspd does not answer */
    MSP_PROVISION_FAILED = 2,  /* as far as it gets; stdout says why */
};

/*
 * What main() does under that name.
 * @return enum msp_provision_exit; 2 for a wrong command line too
 */
int msp_provision_main(struct msp_cli *cli, int argc, char **argv);
