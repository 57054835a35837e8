/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "cli/cli.h"

/* What changes seldom or says nothing, people see with --all. */
static const char *const hidden[] = {"capabilities", NULL};
static const struct msp_out_view view = {
    .hidden = hidden,
    .nonzero = "stats",
    .used = "lsm_programs",
};

int msp_cmd_status(struct msp_cli *cli)
{
    return msp_cli_run(cli, MSP_CTL_STATUS, NULL, 0,
                       cli->is_all ? NULL : &view);
}
