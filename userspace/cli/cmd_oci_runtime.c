/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * In the place of an OCI runtime: adds our hooks to what is about to be
 * created, then executes the real one with the same arguments. Whatever goes
 * wrong before that is said, and the runtime executed all the same: a
 * container without a hook starts without rights.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <msp/cleanup.h>
#include <msp/container.h>

#include "cli/cli.h"
#include "cli/oci_args.h"
#include "cli/oci_config.h"
#include "cli/oci_runtime.h"

#define HOOK_ARGS_MAX 16

/* The program this process is, as it is found later; NULL = not at all. */
static const char *self_path(char path[static PATH_MAX])
{
    static const char deleted[] = " (deleted)";
    ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
    size_t len = n < 0 ? 0 : (size_t)n;

    path[len] = '\0';
    /* It was upgraded since: the new one is at the same path. */
    if (len > sizeof(deleted) &&
        msp_streq(path + len - (sizeof(deleted) - 1), deleted))
        path[len - (sizeof(deleted) - 1)] = '\0';
    return path[0] == '/' && access(path, X_OK) == 0 ? path : NULL;
}

struct args {
    const char *arg[HOOK_ARGS_MAX];
    size_t n;
};

static void add_arg(struct args *args, const char *option, const char *value)
{
    if (!value)
        return;
    args->arg[args->n++] = option;
    args->arg[args->n++] = value;
}

static void hook_args(const struct msp_cli *cli, bool is_remove,
                      struct args *args)
{
    *args = (struct args){.arg = {"mspctl", "oci-hook"}, .n = 2};
    add_arg(args, "--runtime", cli->manager);
    if (!msp_streq(cli->socket, MSP_CTL_PATH))
        add_arg(args, "--socket", cli->socket);
    if (!msp_streq(cli->spool, MSP_CONTAINER_SPOOL))
        add_arg(args, "--spool", cli->spool);
    if (is_remove)
        args->arg[args->n++] = "--remove";
}

/* Relative to where the runtime will look: our working directory is its. */
static int add_hooks(struct msp_cli *cli, const char *bundle)
{
    char path[PATH_MAX], here[PATH_MAX];
    struct args start, stop;
    struct msp_oci_hook hook[2] = {{.kind = "createRuntime"},
                                   {.kind = "poststop"}};
    const char *why = NULL;
    int r;

    hook[0].path = hook[1].path = self_path(path);
    if (!hook[0].path)
        return msp_cli_fail(cli, MSP_CLI_INTERNAL,
                            "where this program is cannot be told");
    if (!bundle)
        bundle = getcwd(here, sizeof(here));
    hook_args(cli, false, &start);
    hook_args(cli, true, &stop);
    hook[0].args = start.arg;
    hook[1].args = stop.arg;
    r = bundle ? msp_oci_config_add(bundle, hook, 2, &why) : -errno;
    if (r < 0)
        return msp_cli_fail(cli, MSP_CLI_INVALID, "%s/config.json: %s",
                            bundle ? bundle : ".", why ? why : strerror(-r));
    return MSP_EXIT_OK;
}

/* Whether the real runtime is this program once more. */
static bool is_self(const char *path)
{
    struct stat own, other;

    return stat("/proc/self/exe", &own) == 0 && stat(path, &other) == 0 &&
           own.st_dev == other.st_dev && own.st_ino == other.st_ino;
}

static int execute(struct msp_cli *cli, const char *path)
{
    const char **args = calloc(cli->n_rest + 2, sizeof(*args));

    union {
        const char **in;
        char **out;
    } argv = {.in = args};

    if (!args)
        return msp_cli_fail(cli, MSP_CLI_INTERNAL, "no memory");
    args[0] = path;
    for (size_t i = 0; i < cli->n_rest; i++)
        args[i + 1] = cli->rest[i];
    (void)fflush(NULL);
    (void)execv(path, argv.out);
    free(args);
    return msp_cli_fail(cli, MSP_CLI_USAGE,
                        "the real runtime %s cannot be executed: %s", path,
                        strerror(errno));
}

/* @param manager_is what gave the manager: "--manager" */
static int run(struct msp_cli *cli, const char *path, const char *manager_is)
{
    const char *bundle = NULL;

    msp_cli_warn_manager(cli, manager_is, cli->manager);
    if (is_self(path))
        return msp_cli_fail(cli, MSP_CLI_USAGE,
                            "%s: this is mspctl, not the real runtime", path);
    if (msp_oci_args_creates(cli->rest, cli->n_rest, &bundle) &&
        add_hooks(cli, bundle) != MSP_EXIT_OK)
        (void)fputs("mspctl: the container starts without rights\n", cli->err);
    return execute(cli, path);
}

int msp_cmd_oci_runtime(struct msp_cli *cli)
{
    const char *path = cli->container.runtime;

    cli->is_json = false; /* standard output is the runtime's */
    if (!path)
        return msp_cli_fail(cli, MSP_CLI_USAGE,
                            "which runtime? --runtime PATH, for example "
                            "--runtime /usr/sbin/runc; there is no default");
    if (path[0] != '/')
        return msp_cli_fail(cli, MSP_CLI_USAGE,
                            "--runtime %s: not an absolute path, and nothing "
                            "is looked up in PATH",
                            path);
    return run(cli, path, "--manager");
}

int msp_oci_runtime_main(struct msp_cli *cli, const char *conf, int argc,
                         char **argv)
{
    msp_cleanup(msp_oci_settings_done) struct msp_oci_settings settings = {0};
    const char *why = NULL;
    char manager_is[PATH_MAX];
    int r = msp_oci_settings_read(conf, &settings, &why);

    if (r < 0)
        return msp_cli_fail(cli, MSP_CLI_USAGE,
                            "%s: %s; it names the real runtime: "
                            "{\"runtime\": \"/usr/sbin/runc\", "
                            "\"manager\": \"containerd\"}",
                            conf, why ? why : strerror(-r));
    cli->manager = settings.manager;
    cli->rest = argv + 1;
    cli->n_rest = argc > 0 ? (size_t)argc - 1 : 0;
    (void)snprintf(manager_is, sizeof(manager_is), "%s: manager", conf);
    return run(cli, settings.runtime, manager_is);
}
