/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <msp/cleanup.h>
#include <msp/limits.h>

#include "base/escape.h"
#include "cli/annotations.h"

static const struct {
    const char *name;
    int exit_code;
    const char *says; /* NULL: there is an answer */
} of_status[] = {
    [MSP_CTL_OK] = {"ok", MSP_EXIT_OK, NULL},
    [MSP_CTL_REFUSED] = {"refused", MSP_EXIT_REFUSED, "mspd refused"},
    [MSP_CTL_INVALID] = {"invalid", MSP_EXIT_USAGE,
                         "mspd found the request invalid"},
    [MSP_CTL_DEGRADED] = {"degraded", MSP_EXIT_DEGRADED, NULL},
    [MSP_CTL_INTERNAL] = {"internal", MSP_EXIT_INTERNAL, "mspd failed"},
    [MSP_CTL_BAD_VERSION] = {"version", MSP_EXIT_INTERNAL,
                             "mspd speaks another version"},
};

_Static_assert(ARRAY_SIZE(of_status) == MSP_CTL_STATUS_COUNT, "of_status");

int msp_cli_exit(enum msp_ctl_status status)
{
    if ((unsigned int)status >= MSP_CTL_STATUS_COUNT)
        return MSP_EXIT_INTERNAL;
    return of_status[status].exit_code;
}

static const struct {
    const char *name;
    int exit_code;
} of_end[] = {
    [MSP_CLI_USAGE] = {"usage", MSP_EXIT_USAGE},
    [MSP_CLI_INVALID] = {"invalid", MSP_EXIT_USAGE},
    [MSP_CLI_REFUSED] = {"refused", MSP_EXIT_REFUSED},
    [MSP_CLI_NODAEMON] = {"nodaemon", MSP_EXIT_NODAEMON},
    [MSP_CLI_VERSION] = {"version", MSP_EXIT_INTERNAL},
    [MSP_CLI_INTERNAL] = {"internal", MSP_EXIT_INTERNAL},
};

_Static_assert(ARRAY_SIZE(of_end) == MSP_CLI_END_COUNT, "of_end");

const char *msp_cli_end_name(enum msp_cli_end end)
{
    return of_end[end].name;
}

int msp_cli_fail(struct msp_cli *cli, enum msp_cli_end end, const char *format,
                 ...)
{
    msp_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    if (cli->is_json) {
        (void)fprintf(cli->out, "{\"schema\":%d,\"result\":\"%s\",\"error\":",
                      MSP_JSON_SCHEMA, of_end[end].name);
        msp_escape_json(text ? text : "out of memory", cli->out);
        (void)fputs("}\n", cli->out);
    } else {
        (void)fputs("mspctl: ", cli->err);
        (void)msp_escape_text(text ? text : "out of memory", cli->err);
        (void)fputc('\n', cli->err);
    }
    return of_end[end].exit_code;
}

void msp_cli_warn_manager(const struct msp_cli *cli, const char *option,
                          const char *name)
{
    if (!name || msp_manager_find(name))
        return;
    (void)fprintf(cli->err, "mspctl: %s ", option);
    (void)msp_escape_text(name, cli->err);
    (void)fputs(": not one of " MSP_MANAGER_NAMES
                ": no annotation of its containers is believed\n",
                cli->err);
}

static int socket_failed(struct msp_cli *cli, enum msp_cli_end end,
                         const char *what, int r)
{
    return msp_cli_fail(cli, end, "%s: %s%s%s", cli->socket, what,
                        r < 0 ? ": " : "", r < 0 ? strerror(-r) : "");
}

static int connect_failed(struct msp_cli *cli, int r)
{
    switch (r) {
    case -ENAMETOOLONG:
        return socket_failed(cli, MSP_CLI_USAGE, "not a socket path", r);
    case -EACCES:
    case -EPERM:
        return socket_failed(cli, MSP_CLI_REFUSED, "only root may ask mspd", r);
    case -ENOENT:
    case -ECONNREFUSED:
        return socket_failed(cli, MSP_CLI_NODAEMON, "mspd is not running", r);
    default:
        return socket_failed(cli, MSP_CLI_NODAEMON, "cannot reach mspd", r);
    }
}

static int call_failed(struct msp_cli *cli, int r)
{
    switch (r) {
    case -ETIMEDOUT:
        return socket_failed(cli, MSP_CLI_NODAEMON,
                             "mspd did not answer in time", 0);
    case -ENODATA:
        return socket_failed(cli, MSP_CLI_NODAEMON,
                             "mspd closed without an answer", 0);
    case -EPROTO:
    case -EFBIG:
        return socket_failed(cli, MSP_CLI_INTERNAL, "not an answer of mspd", r);
    default:
        return socket_failed(cli, MSP_CLI_INTERNAL, "talking to mspd failed",
                             r);
    }
}

int msp_cli_ask(struct msp_cli *cli, enum msp_ctl_type type,
                const struct iovec *part, size_t n,
                struct msp_client_reply *ret_reply)
{
    msp_cleanup(msp_client_reply_done) struct msp_client_reply reply = {0};
    unsigned int ms = cli->timeout_ms ? cli->timeout_ms : MSP_CTL_MS;
    msp_autoclose int fd = msp_client_connect(cli->socket, ms);
    int r;

    if (fd < 0)
        return connect_failed(cli, fd);
    r = msp_client_call(fd, type, part, n, ms, &reply);
    if (r < 0)
        return call_failed(cli, r);
    if (reply.status == MSP_CTL_BAD_VERSION)
        return msp_cli_fail(cli, MSP_CLI_VERSION,
                            "mspd speaks control version %u, this mspctl "
                            "version %u: use the one installed with mspd",
                            (unsigned int)reply.version, MSP_CTL_VERSION);
    *ret_reply = reply;
    reply = (struct msp_client_reply){0};
    return MSP_EXIT_OK;
}

int msp_cli_print(struct msp_cli *cli, enum msp_ctl_status status,
                  char *payload, size_t len, const struct msp_out_view *view,
                  const struct msp_json_extra *extra)
{
    int exit_code = msp_cli_exit(status);
    const char *says = of_status[status].says;
    int r;

    if (cli->is_json) {
        r = msp_out_json(payload, len, of_status[status].name,
                         says ? NULL : view, extra, cli->out);
    } else {
        if (says)
            (void)fprintf(cli->err, "mspctl: %s\n", says);
        r = msp_out_text(payload, len, says ? NULL : view,
                         says ? cli->err : cli->out);
    }
    if (r == -EBADMSG)
        return msp_cli_fail(cli, MSP_CLI_INTERNAL,
                            "mspd answered with malformed records");
    if (r < 0)
        return msp_cli_fail(cli, MSP_CLI_INTERNAL, "printing: %s",
                            strerror(-r));
    return exit_code;
}

int msp_cli_run(struct msp_cli *cli, enum msp_ctl_type type,
                const struct iovec *part, size_t n,
                const struct msp_out_view *view)
{
    msp_cleanup(msp_client_reply_done) struct msp_client_reply reply = {0};
    int r = msp_cli_ask(cli, type, part, n, &reply);

    if (r != MSP_EXIT_OK)
        return r;
    return msp_cli_print(cli, reply.status, reply.payload, reply.len, view,
                         NULL);
}
