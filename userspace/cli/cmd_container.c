/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <msp/cleanup.h>

#include "cli/cli.h"

/* What fits a terminal; --json has the rest. */
static const char *const columns[] = {
    "id",       "name",   "image",      "runtime", "pod.namespace",
    "pod.name", "cgroup", "identities", NULL,
};
static const char *const arrays[] = {"label", "pod.label", NULL};
static const struct msp_out_view view = {
    .list = "container",
    .columns = columns,
    .arrays = arrays,
    .sort = "cgroup",
    .empty = "no container is registered",
};

/* @return MSP_EXIT_OK, or the exit code after saying why */
static int read_pid(struct msp_cli *cli)
{
    const char *text = cli->pid;
    unsigned long pid;

    if (!text)
        return MSP_EXIT_OK;
    pid = strtoul(text, NULL, 10);
    if (!text[0] || text[strspn(text, "0123456789")] || pid == 0 ||
        pid > INT32_MAX)
        return msp_cli_fail(cli, MSP_CLI_USAGE, "--pid %s: not a process id",
                            text);
    cli->container.pid = (uint32_t)pid;
    return MSP_EXIT_OK;
}

int msp_cli_register(struct msp_cli *cli, enum msp_ctl_type type,
                     const struct msp_registration *reg)
{
    msp_cleanup(msp_rec_done) struct msp_rec rec = {0};
    const char *where = "", *why = "";
    struct iovec part;
    int r = msp_registration_write(reg, &rec, &where, &why);

    if (r == -EINVAL)
        return msp_cli_fail(cli, MSP_CLI_USAGE, "%s %s", where, why);
    if (r < 0)
        return msp_cli_fail(cli, MSP_CLI_INTERNAL, "%s", strerror(-r));
    part = (struct iovec){.iov_base = rec.buf.data, .iov_len = rec.buf.len};
    return msp_cli_run(cli, type, &part, 1, NULL);
}

static int add_or_set(struct msp_cli *cli, enum msp_ctl_type type)
{
    int r = read_pid(cli);

    if (r != MSP_EXIT_OK)
        return r;
    if (!cli->container.cgroup)
        return msp_cli_fail(cli, MSP_CLI_USAGE,
                            "which container? --cgroup PATH, as in the line "
                            "0:: of /proc/PID/cgroup");
    return msp_cli_register(cli, type, &cli->container);
}

int msp_cmd_container_add(struct msp_cli *cli)
{
    return add_or_set(cli, MSP_CTL_CONTAINER_ADD);
}

int msp_cmd_container_set(struct msp_cli *cli)
{
    return add_or_set(cli, MSP_CTL_CONTAINER_SET);
}

int msp_cmd_container_remove(struct msp_cli *cli)
{
    if (!cli->container.cgroup == !cli->container.id)
        return msp_cli_fail(cli, MSP_CLI_USAGE,
                            "which container? either --cgroup PATH or --id ID");
    return msp_cli_register(cli, MSP_CTL_CONTAINER_REMOVE, &cli->container);
}

int msp_cmd_container_list(struct msp_cli *cli)
{
    return msp_cli_run(cli, MSP_CTL_CONTAINER_LIST, NULL, 0, &view);
}
