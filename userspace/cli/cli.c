/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "cli/cli.h"

#include <errno.h>
#include <string.h>

#include <msp/cleanup.h>

#include "cli/escape.h"

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

static int no_daemon(struct msp_cli *cli, const char *what, int r)
{
    (void)fputs("mspctl: ", cli->err);
    (void)msp_out_escaped(cli->socket, cli->err);
    (void)fprintf(cli->err, ": %s", what);
    if (r < 0)
        (void)fprintf(cli->err, ": %s", strerror(-r));
    (void)fputc('\n', cli->err);
    return MSP_EXIT_NODAEMON;
}

static int connect_failed(struct msp_cli *cli, int r)
{
    switch (r) {
    case -ENAMETOOLONG:
        (void)no_daemon(cli, "not a socket path", r);
        return MSP_EXIT_USAGE;
    case -EACCES:
    case -EPERM:
        (void)no_daemon(cli, "only root may ask mspd", r);
        return MSP_EXIT_REFUSED;
    case -ENOENT:
    case -ECONNREFUSED:
        return no_daemon(cli, "mspd is not running", r);
    default:
        return no_daemon(cli, "cannot reach mspd", r);
    }
}

static int call_failed(struct msp_cli *cli, int r)
{
    switch (r) {
    case -ETIMEDOUT:
        return no_daemon(cli, "mspd did not answer in time", 0);
    case -ENODATA:
        return no_daemon(cli, "mspd closed without an answer", 0);
    case -EPROTO:
    case -EFBIG:
        (void)no_daemon(cli, "not an answer of mspd", r);
        return MSP_EXIT_INTERNAL;
    default:
        (void)no_daemon(cli, "talking to mspd failed", r);
        return MSP_EXIT_INTERNAL;
    }
}

int msp_cli_ask(struct msp_cli *cli, enum msp_ctl_type type,
                const struct iovec *part, size_t n,
                struct msp_client_reply *ret_reply)
{
    msp_cleanup(msp_client_reply_done) struct msp_client_reply reply = {0};
    msp_autoclose int fd = msp_client_connect(cli->socket, MSP_CTL_MS);
    int r;

    if (fd < 0)
        return connect_failed(cli, fd);
    r = msp_client_call(fd, type, part, n, MSP_CTL_MS, &reply);
    if (r < 0)
        return call_failed(cli, r);
    if (reply.status == MSP_CTL_BAD_VERSION) {
        (void)fprintf(cli->err,
                      "mspctl: mspd speaks control version %u, this mspctl "
                      "version %u: use the one installed with mspd\n",
                      (unsigned int)reply.version, MSP_CTL_VERSION);
        return MSP_EXIT_INTERNAL;
    }
    *ret_reply = reply;
    reply = (struct msp_client_reply){0};
    return MSP_EXIT_OK;
}

int msp_cli_print(struct msp_cli *cli, enum msp_ctl_status status,
                  char *payload, size_t len, const struct msp_out_view *view,
                  const struct msp_out_extra *extra)
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
    if (r == -EBADMSG) {
        (void)fputs("mspctl: mspd answered with malformed records\n", cli->err);
        return MSP_EXIT_INTERNAL;
    }
    if (r < 0) {
        (void)fprintf(cli->err, "mspctl: printing: %s\n", strerror(-r));
        return MSP_EXIT_INTERNAL;
    }
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
