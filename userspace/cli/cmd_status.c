/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "cli/cli.h"

int msp_cmd_status(struct msp_cli *cli)
{
    return msp_cli_run(cli, MSP_CTL_STATUS, NULL, 0, NULL);
}
