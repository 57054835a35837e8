/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <msp/cleanup.h>

#include "cli/cli.h"

static const struct msp_out_view view = {
    .list = "netns",
    .columns = NULL,
    .empty = "no network namespace has a listener",
};

/* The daemon has another working directory: send it an absolute path. */
static char *absolute(const char *path)
{
    char here[PATH_MAX] = "";
    char *text = NULL;

    if (path[0] != '/' && !getcwd(here, sizeof(here)))
        return NULL;
    if (asprintf(&text, "%s%s%s", here, here[0] ? "/" : "", path) < 0)
        return NULL;
    return text;
}

int msp_cmd_netns_add(struct msp_cli *cli)
{
    msp_autofree char *path = absolute(cli->operand[0]);
    struct iovec part = {.iov_base = path};

    if (!path)
        return msp_cli_fail(cli, MSP_CLI_INTERNAL,
                            "no working directory or no memory");
    part.iov_len = strlen(path);
    if (part.iov_len >= PATH_MAX)
        return msp_cli_fail(cli, MSP_CLI_USAGE, "the path is too long");
    return msp_cli_run(cli, MSP_CTL_NETNS_ADD, &part, 1, NULL);
}

int msp_cmd_netns_list(struct msp_cli *cli)
{
    return msp_cli_run(cli, MSP_CTL_NETNS_LIST, NULL, 0, &view);
}
