/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include <msp/cleanup.h>
#include <msp/limits.h>

#include "base/io.h"
#include "cli/cli.h"

/* mspd judges the token: here it is only carried. */
int msp_cmd_unlock(struct msp_cli *cli)
{
    const char *path = cli->token;
    msp_autofree char *text = NULL;
    msp_autoclose int opened = -1;
    struct iovec part = {0};
    size_t len = 0;
    int fd, r;

    if (!path)
        return msp_cli_fail(cli, MSP_CLI_USAGE,
                            "unlock needs --token FILE or --token -");
    if (!msp_streq(path, "-")) {
        opened = open(path, O_RDONLY | O_CLOEXEC);
        if (opened < 0)
            return msp_cli_fail(cli, MSP_CLI_USAGE, "%s: %s", path,
                                strerror(errno));
    }
    fd = opened < 0 ? fileno(cli->in) : opened;
    r = msp_io_slurp(fd, MSP_UNLOCK_TOKEN_BYTES, &text, &len);
    if (r < 0)
        return msp_cli_fail(cli, MSP_CLI_USAGE, "%s: %s", path, strerror(-r));
    part = (struct iovec){.iov_base = text, .iov_len = len};
    return msp_cli_run(cli, MSP_CTL_UNLOCK, &part, 1, NULL);
}

int msp_cmd_lock(struct msp_cli *cli)
{
    return msp_cli_run(cli, MSP_CTL_LOCK, NULL, 0, NULL);
}
