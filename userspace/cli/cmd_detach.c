/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

#include <msp/cleanup.h>

#include "cli/cli.h"

/* --- without a daemon: a program ends with its last pin -------------------- */

static void close_dir(DIR **dir)
{
    if (*dir)
        (void)closedir(*dir);
}

static bool is_layout(const char *name)
{
    static const char prefix[] = "layout-";
    const char *number = name + sizeof(prefix) - 1;

    return strncmp(name, prefix, sizeof(prefix) - 1) == 0 && *number &&
           strspn(number, "0123456789") == strlen(number);
}

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path) < 0 ? -errno : 0;
}

/* Reads anew after each tree: removing while reading may skip one. */
static int remove_layouts(const char *pin_dir, size_t *ret_n)
{
    msp_cleanup(close_dir) DIR *dir = opendir(pin_dir);
    const struct dirent *entry;

    if (!dir)
        return -errno;
    while ((entry = readdir(dir))) {
        char path[PATH_MAX];
        int r;

        if (!is_layout(entry->d_name))
            continue;
        r = snprintf(path, sizeof(path), "%s/%s", pin_dir, entry->d_name);
        if (r < 0 || (size_t)r >= sizeof(path))
            return -ENAMETOOLONG;
        r = nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
        if (r != 0)
            return r == -1 ? -errno : r;
        ++*ret_n;
        rewinddir(dir);
    }
    return 0;
}

static int detach_pins(struct msp_cli *cli)
{
    struct statfs fs;
    size_t n = 0;
    int r;

    if (statfs(cli->pin_dir, &fs) < 0)
        return msp_cli_fail(cli, MSP_CLI_USAGE, "%s: %s", cli->pin_dir,
                            strerror(errno));
    if ((unsigned long)fs.f_type != BPF_FS_MAGIC)
        return msp_cli_fail(cli, MSP_CLI_USAGE, "%s: not on a bpf file system",
                            cli->pin_dir);
    r = remove_layouts(cli->pin_dir, &n);
    if (r < 0)
        return msp_cli_fail(cli,
                            r == -EACCES || r == -EPERM ? MSP_CLI_REFUSED
                                                        : MSP_CLI_INTERNAL,
                            "%s: %s", cli->pin_dir, strerror(-r));
    if (!n)
        return msp_cli_fail(cli, MSP_CLI_USAGE,
                            "%s: nothing of mspd is pinned there",
                            cli->pin_dir);
    (void)rmdir(cli->pin_dir); /* may be shared, or a mount point */
    if (cli->is_json)
        (void)fputs("{\"schema\":1,\"result\":\"ok\",\"detached\":true}\n",
                    cli->out);
    else
        (void)fputs("detached  true\n", cli->out);
    return MSP_EXIT_OK;
}

/* --- the verb ------------------------------------------------------------ */

static int refuse(struct msp_cli *cli)
{
    return msp_cli_fail(
        cli, MSP_CLI_USAGE,
        "detach ends all enforcement on this host: every process may then "
        "reach the metadata addresses, unsigned, and mspd stops with it; to "
        "do that: mspctl detach --yes");
}

static bool is_daemon_there(const struct msp_cli *cli)
{
    msp_autoclose int fd = msp_client_connect(cli->socket, MSP_CTL_MS);

    return fd != -ENOENT && fd != -ECONNREFUSED;
}

int msp_cmd_detach(struct msp_cli *cli)
{
    union {
        const char *in;
        char *out;
    } dir = {.in = cli->pin_dir};
    struct iovec part = {.iov_base = dir.out};
    int r;

    if (!cli->is_yes)
        return refuse(cli);
    if (cli->pin_dir) {
        if (!is_daemon_there(cli))
            return detach_pins(cli);
        part.iov_len = strlen(cli->pin_dir);
    }
    r = msp_cli_run(cli, MSP_CTL_DETACH, &part, cli->pin_dir ? 1 : 0, NULL);
    if (r == MSP_EXIT_NODAEMON && !cli->is_json)
        (void)fputs("mspctl: what it left pinned is removed by: mspctl detach "
                    "--yes --pin-dir DIR\n",
                    cli->err);
    return r;
}
