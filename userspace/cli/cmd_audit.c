/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "cli/cli.h"

/* What fits a terminal; --json has the rest. */
static const char *const columns[] = {
    "stage",    "verdict",     "reason",    "endpoint", "uid",
    "exe_name", "identity",    "privilege", "path",     "count",
    "last",     "cgroup_path", NULL,
};
static const struct msp_out_view view = {
    .list = "audit",
    .columns = columns,
    .sort = "last",
    .empty = "no verdict recorded yet",
};

int msp_cmd_audit(struct msp_cli *cli)
{
    return msp_cli_run(cli, MSP_CTL_AUDIT, NULL, 0, &view);
}
