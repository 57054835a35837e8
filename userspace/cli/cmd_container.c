/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <msp/cleanup.h>

#include "base/io.h"
#include "cli/cli.h"
#include "cli/proc.h"

#define PROC_BYTES_MAX (256u << 10)

/* What fits a terminal; --json has the rest. */
static const char *const columns[] = {
    "id",       "name",   "image",      "runtime", "pod.namespace",
    "pod.name", "cgroup", "identities", NULL,
};
static const char *const arrays[] = {"label", "pod.label", NULL};
static const struct msp_out_view one = {.arrays = arrays};
static const struct msp_out_view view = {
    .list = "container",
    .columns = columns,
    .arrays = arrays,
    .sort = "cgroup",
    .empty = "no container is registered",
};

/*
 * @param text decimal; NULL: not given, 0
 * @return false: it is none of 1 to `max`
 */
static bool read_number(const char *text, unsigned long max, uint64_t *ret)
{
    *ret = 0;
    if (!text)
        return true;
    if (!text[0] || text[strspn(text, "0123456789")])
        return false;
    errno = 0;
    *ret = strtoul(text, NULL, 10);
    return !errno && *ret && *ret <= max;
}

/* @return MSP_EXIT_OK, or the exit code after saying why */
static int read_numbers(struct msp_cli *cli)
{
    uint64_t pid;

    if (!read_number(cli->pid, INT32_MAX, &pid))
        return msp_cli_fail(cli, MSP_CLI_USAGE, "--pid %s: not a process id",
                            cli->pid);
    if (!read_number(cli->cgroup_id, ULONG_MAX, &cli->container.cgroup_id))
        return msp_cli_fail(cli, MSP_CLI_USAGE,
                            "--cgroup-id %s: not the number of the cgroup's "
                            "directory, as stat -c %%i says",
                            cli->cgroup_id);
    cli->container.pid = (uint32_t)pid;
    return MSP_EXIT_OK;
}

int msp_cli_register(struct msp_cli *cli, enum msp_ctl_type type,
                     const struct msp_registration *reg)
{
    msp_cleanup(msp_rec_done) struct msp_rec rec = {0};
    char text[MSP_REGISTRATION_FAULT_BYTES];
    struct msp_registration_fault fault;
    struct iovec part;
    int r = msp_registration_write(reg, &rec, &fault);

    if (r == -EINVAL) {
        msp_registration_fault_text(&fault, reg == &cli->container, text);
        return msp_cli_fail(cli, MSP_CLI_USAGE, "%s", text);
    }
    if (r < 0)
        return msp_cli_fail(cli, MSP_CLI_INTERNAL, "%s", strerror(-r));
    part = (struct iovec){.iov_base = rec.buf.data, .iov_len = rec.buf.len};
    return msp_cli_run(cli, type, &part, 1, &one);
}

/* --- what is told of the host is there ------------------------------------ */

/* The host's path. @return false: too long */
static bool host_path(const struct msp_cli *cli, const char *path,
                      char ret[static PATH_MAX])
{
    int n = snprintf(ret, PATH_MAX, "%s%s", cli->host_root, path);

    return n >= 0 && n < PATH_MAX;
}

/* @return what is wrong with it, NULL = nothing */
static const char *check_root(const struct msp_cli *cli, const char *path)
{
    char full[PATH_MAX];
    struct stat st;

    if (!host_path(cli, path, full))
        return strerror(ENAMETOOLONG);
    if (stat(full, &st) < 0)
        return strerror(errno);
    return S_ISDIR(st.st_mode) ? NULL : "is not a directory";
}

static const char *check_netns(const struct msp_cli *cli, const char *path)
{
    msp_autoclose int fd = -1;
    char full[PATH_MAX];
    struct statfs fs;

    if (!host_path(cli, path, full))
        return strerror(ENAMETOOLONG);
    fd = open(full, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstatfs(fd, &fs) < 0)
        return strerror(errno);
    return (unsigned long)fs.f_type == NSFS_MAGIC &&
                   ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNET
               ? NULL
               : "is not a network namespace";
}

/*
 * Whether the process is in the cgroup, or below it.
 * @param ret_own where it is; "" = not known
 */
static const char *check_pid(const struct msp_cli *cli, uint32_t pid,
                             const char *cgroup, char ret_own[static PATH_MAX])
{
    const size_t len = strlen(cgroup);
    msp_autofree char *text = NULL;
    msp_autoclose int fd = -1;
    const char *own = NULL;
    char full[PATH_MAX];
    size_t text_len = 0;

    ret_own[0] = '\0';
    (void)snprintf(full, sizeof(full), "%s/proc/%u/cgroup", cli->host_root,
                   pid);
    fd = open(full, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? "there is no such process" : strerror(errno);
    if (msp_io_slurp(fd, PROC_BYTES_MAX, &text, &text_len) < 0 ||
        msp_proc_cgroup_parse(text, text_len, &own) < 0)
        return "its cgroup cannot be told";
    (void)snprintf(ret_own, PATH_MAX, "%s", own);
    return strncmp(own, cgroup, len) == 0 && (!own[len] || own[len] == '/')
               ? NULL
               : "is not in the cgroup, but in ";
}

/*
 * What is not there costs exePath and the listener, and nobody would see why.
 * A hook does not ask: it registers what there is of a container.
 * @return MSP_EXIT_OK, or the exit code after saying why
 */
static int check_host(struct msp_cli *cli)
{
    const struct msp_registration *reg = &cli->container;
    char own[PATH_MAX] = "";
    const char *why;

    why = reg->root && reg->root[0] == '/' ? check_root(cli, reg->root) : NULL;
    if (why)
        return msp_cli_fail(cli, MSP_CLI_USAGE, "--root %s: %s", reg->root,
                            why);
    why = reg->netns && reg->netns[0] == '/' ? check_netns(cli, reg->netns)
                                             : NULL;
    if (why)
        return msp_cli_fail(cli, MSP_CLI_USAGE, "--netns %s: %s", reg->netns,
                            why);
    why = reg->pid
              ? check_pid(cli, reg->pid, reg->cgroup ? reg->cgroup : "", own)
              : NULL;
    if (why)
        return msp_cli_fail(cli, MSP_CLI_USAGE, "--pid %u: %s%s", reg->pid, why,
                            own);
    return MSP_EXIT_OK;
}

/* What is wrong with the fields alone is said by msp_cli_register(). */
static int tell(struct msp_cli *cli, enum msp_ctl_type type)
{
    int r = read_numbers(cli);

    if (r == MSP_EXIT_OK)
        r = check_host(cli);
    return r == MSP_EXIT_OK ? msp_cli_register(cli, type, &cli->container) : r;
}

static int add_or_set(struct msp_cli *cli, enum msp_ctl_type type)
{
    if (!cli->container.cgroup)
        return msp_cli_fail(cli, MSP_CLI_USAGE,
                            "which container? --cgroup PATH, as in the line "
                            "0:: of /proc/PID/cgroup");
    return tell(cli, type);
}

int msp_cmd_container_add(struct msp_cli *cli)
{
    return add_or_set(cli, MSP_CTL_CONTAINER_ADD);
}

int msp_cmd_container_set(struct msp_cli *cli)
{
    return add_or_set(cli, MSP_CTL_CONTAINER_SET);
}

int msp_cmd_container_update(struct msp_cli *cli)
{
    if (!cli->container.cgroup && !cli->container.id)
        return msp_cli_fail(cli, MSP_CLI_USAGE,
                            "which container? --cgroup PATH or --id ID");
    return tell(cli, MSP_CTL_CONTAINER_UPDATE);
}

int msp_cmd_container_remove(struct msp_cli *cli)
{
    int r = read_numbers(cli);

    if (r != MSP_EXIT_OK)
        return r;
    if (!cli->container.cgroup == !cli->container.id)
        return msp_cli_fail(cli, MSP_CLI_USAGE,
                            "which container? either --cgroup PATH or --id ID");
    return msp_cli_register(cli, MSP_CTL_CONTAINER_REMOVE, &cli->container);
}

int msp_cmd_container_list(struct msp_cli *cli)
{
    return msp_cli_run(cli, MSP_CTL_CONTAINER_LIST, NULL, 0, &view);
}
