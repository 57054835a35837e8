/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The OCI hook: runs as root for each container of the node, between the
 * making of its namespaces and its first program. It starts no program, looks
 * nothing up in PATH and is over in MSP_HOOK_MS whatever happens.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include <msp/cleanup.h>
#include <msp/limits.h>

#include "base/io.h"
#include "cli/annotations.h"
#include "cli/cli.h"
#include "cli/oci_config.h"
#include "cli/oci_state.h"
#include "cli/proc.h"
#include "cli/spool.h"

/* --- never too long --------------------------------------------------------- */

static int exit_when_late;

static void on_alarm(int sig)
{
    static const char text[] =
        "mspctl: oci-hook: out of time; the container has no rights\n";

    (void)sig;
    (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
    _exit(exit_when_late);
}

/* The runtime may have blocked the signal. */
static void limit_time(bool is_strict)
{
    const struct itimerval wait = {.it_value.tv_sec = MSP_HOOK_MS / 1000,
                                   .it_value.tv_usec =
                                       (MSP_HOOK_MS % 1000) * 1000};
    const struct sigaction action = {.sa_handler = on_alarm};
    sigset_t set;

    exit_when_late = is_strict ? MSP_EXIT_NODAEMON : MSP_EXIT_OK;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGALRM);
    (void)sigaction(SIGALRM, &action, NULL);
    (void)sigprocmask(SIG_UNBLOCK, &set, NULL);
    (void)setitimer(ITIMER_REAL, &wait, NULL);
}

static void end_limit(void)
{
    const struct itimerval never = {0};

    (void)setitimer(ITIMER_REAL, &never, NULL);
}

/* --- what stops no container ------------------------------------------------ */

bool msp_cli_is_hook(const struct msp_cli *cli)
{
    return cli->object && msp_streq(cli->object, "oci-hook");
}

/* What an option that is not known would have said is not known either. */
int msp_cli_refuse(const struct msp_cli *cli, int argc, char *const *argv)
{
    if (!msp_cli_is_hook(cli))
        return MSP_EXIT_USAGE;
    for (int i = 1; i < argc; i++)
        if (msp_streq(argv[i], "--strict"))
            return MSP_EXIT_USAGE;
    (void)fputs("mspctl: oci-hook: the container starts without rights\n",
                cli->err);
    return MSP_EXIT_OK;
}

/* --- what the container is -------------------------------------------------- */

/* All that a registration borrows from. */
struct told {
    char *text;
    struct msp_oci_state state;
    struct msp_oci_config config;
    char cgroup[PATH_MAX];
    struct msp_registration reg;
};

static void told_done(struct told *told)
{
    free(told->text);
    msp_oci_state_done(&told->state);
    msp_oci_config_done(&told->config);
}

static int read_state(struct msp_cli *cli, struct told *told)
{
    const char *why = "";
    size_t len = 0;
    int r =
        msp_io_slurp(fileno(cli->in), MSP_OCI_STATE_BYTES, &told->text, &len);

    if (r < 0)
        return msp_cli_fail(cli, MSP_CLI_USAGE, "standard input: %s",
                            strerror(-r));
    r = msp_oci_state_read(told->text, len, &told->state, &why);
    if (r == -EBADMSG)
        return msp_cli_fail(cli, MSP_CLI_INVALID,
                            "standard input: not the state of an OCI "
                            "container: %s",
                            why);
    if (r < 0)
        return msp_cli_fail(cli, MSP_CLI_INTERNAL, "%s", strerror(-r));
    return MSP_EXIT_OK;
}

/* Whether `path` is `of` or above it. */
static bool is_above(const char *path, const char *of)
{
    size_t len = strlen(path);

    return msp_streq(path, "/") ||
           (strncmp(path, of, len) == 0 && (!of[len] || of[len] == '/'));
}

static const char *says(int r)
{
    switch (r) {
    case -ENOENT:
        return "it is in no cgroup v2, or gone";
    case -ESTALE:
        return "its cgroup is removed";
    case -EXDEV:
        return "its cgroup is outside of this cgroup namespace";
    default:
        return strerror(-r);
    }
}

/*
 * fail closed: where a container has no cgroup v2 of its own, its process is
 * in the runtime's; to register that one would make all its containers, and
 * the runtime, one.
 */
static int find_cgroup(struct msp_cli *cli, struct told *told)
{
    uint32_t pid = told->state.pid;
    char own[PATH_MAX];
    int r;

    if (!pid)
        return msp_cli_fail(cli, MSP_CLI_INVALID, "container %s has no process",
                            told->state.id);
    r = msp_proc_cgroup(pid, told->cgroup);
    if (r < 0)
        return msp_cli_fail(cli, MSP_CLI_INVALID, "process %u: %s", pid,
                            says(r));
    r = msp_proc_cgroup(0, own);
    if (r < 0)
        return msp_cli_fail(cli, MSP_CLI_INTERNAL, "/proc/self/cgroup: %s",
                            says(r));
    if (is_above(told->cgroup, own))
        return msp_cli_fail(cli, MSP_CLI_INVALID,
                            "process %u: the container has no cgroup v2 of "
                            "its own, it is in %s",
                            pid, told->cgroup);
    r = msp_proc_cgroup_id(told->cgroup, &told->reg.cgroup_id);
    if (r < 0)
        return msp_cli_fail(cli, MSP_CLI_INVALID, "cgroup %s: %s", told->cgroup,
                            strerror(-r));
    return MSP_EXIT_OK;
}

/* What is missing of it costs exePath and a listener ahead of time, no more. */
static void take_config(struct msp_cli *cli, struct told *told)
{
    const char *why = NULL;
    int r = msp_oci_config_read(told->state.bundle, &told->config, &why);

    if (r < 0)
        (void)msp_cli_fail(cli, MSP_CLI_INVALID, "%s/config.json: %s",
                           told->state.bundle, why ? why : strerror(-r));
    told->reg.root = told->config.root;
    told->reg.netns = told->config.netns;
}

static void take_state(struct msp_cli *cli, struct told *told)
{
    const struct msp_manager *manager =
        msp_manager_find(cli->container.runtime);

    told->reg.told_ns = msp_io_now_ns();
    told->reg.cgroup = told->cgroup;
    told->reg.id = told->state.id;
    told->reg.pid = told->state.pid;
    told->reg.runtime = cli->container.runtime;
    if (manager)
        msp_annotations_take(manager, &told->state, &told->reg);
}

/* --- to tell mspd ----------------------------------------------------------- */

static int spool_failed(struct msp_cli *cli, int r)
{
    return msp_cli_fail(cli, MSP_CLI_INTERNAL, "%s: %s%s", cli->spool,
                        strerror(-r),
                        r == -EPERM ? "; it has to be root's, mode 0700" : "");
}

/* mspd does not run: it reads this when it does, and denies until then. */
static int leave(struct msp_cli *cli, const struct told *told)
{
    msp_cleanup(msp_rec_done) struct msp_rec rec = {0};
    char text[MSP_REGISTRATION_FAULT_BYTES];
    struct msp_registration_fault fault;
    int r = msp_registration_write(&told->reg, &rec, &fault);

    if (r == -EINVAL) {
        msp_registration_fault_text(&fault, false, text);
        return msp_cli_fail(cli, MSP_CLI_INVALID, "%s", text);
    }
    if (r == 0)
        r = msp_spool_write(cli->spool, told->reg.cgroup_id, rec.buf.data,
                            rec.buf.len);
    if (r < 0)
        return spool_failed(cli, r);
    (void)fprintf(cli->err,
                  "mspctl: left in %s until mspd runs; the container has no "
                  "rights before\n",
                  cli->spool);
    return MSP_EXIT_OK;
}

/*
 * fail closed: what mspd knows of that cgroup, if anything, is of a container
 * before this one.
 */
static void take_back(struct msp_cli *cli, const struct told *told)
{
    const struct msp_registration reg = {.cgroup = told->cgroup,
                                         .cgroup_id = told->reg.cgroup_id};

    (void)msp_cli_register(cli, MSP_CTL_CONTAINER_REMOVE, &reg);
}

static int tell_start(struct msp_cli *cli, struct told *told)
{
    int r = find_cgroup(cli, told);

    if (r != MSP_EXIT_OK)
        return r;
    take_state(cli, told);
    take_config(cli, told);
    /* whatever was in that cgroup, this is what is in it now */
    r = msp_cli_register(cli, MSP_CTL_CONTAINER_SET, &told->reg);
    /* --strict: it does not start, so there is nothing to wait for */
    if (r == MSP_EXIT_NODAEMON)
        return cli->is_strict ? r : leave(cli, told);
    if (r != MSP_EXIT_OK && r != MSP_EXIT_DEGRADED)
        take_back(cli, told);
    return r == MSP_EXIT_DEGRADED ? MSP_EXIT_OK : r;
}

/*
 * mspd forgets a container with its cgroup too: it may know it no more. A
 * runtime runs this when the id is free again: whoever has it by now and
 * processes is another one.
 */
static int tell_end(struct msp_cli *cli, const struct told *told)
{
    const struct msp_registration reg = {.id = told->state.id,
                                         .is_ended = true};
    int r = msp_cli_register(cli, MSP_CTL_CONTAINER_REMOVE, &reg);

    if (r != MSP_EXIT_NODAEMON)
        return r == MSP_EXIT_DEGRADED ? MSP_EXIT_OK : r;
    r = msp_spool_forget(cli->spool, told->state.id);
    return r < 0 ? spool_failed(cli, r) : MSP_EXIT_OK;
}

static int run(struct msp_cli *cli)
{
    msp_cleanup(told_done) struct told told = {0};
    int r = read_state(cli, &told);

    if (r != MSP_EXIT_OK)
        return r;
    return cli->is_remove ? tell_end(cli, &told) : tell_start(cli, &told);
}

int msp_cmd_oci_hook(struct msp_cli *cli)
{
    int r;

    cli->timeout_ms = MSP_HOOK_CTL_MS;
    (void)signal(SIGPIPE, SIG_IGN); /* who reads what it says may be gone */
    msp_cli_warn_manager(cli, "--runtime", cli->container.runtime);
    limit_time(cli->is_strict);
    r = run(cli);
    end_limit();
    return cli->is_strict ? r : MSP_EXIT_OK;
}
